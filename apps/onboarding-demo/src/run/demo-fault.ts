// What went wrong, in words for the person at the terminal: shown without a stack.
export class DemoFault extends Error {}
