// The version of this build: in metrics and in the User-Agent of every request. A test keeps it equal to package.json.
export const version = '0.1.0';
