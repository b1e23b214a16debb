// SPDX-License-Identifier: 0BSD
// node run.mjs program.wasm: runs start() of a program linked with board.c; ends with its status.
import { readFileSync, writeSync } from 'node:fs';

class Exit extends Error {
  constructor(status) {
    super(`exit ${status}`);
    this.status = status;
  }
}

const written = [];
const flush = () => {
  let rest = Buffer.from(written.splice(0));
  while (rest.length > 0) rest = rest.subarray(writeSync(1, rest)); // a pipe may take a part of it
};
const put = (c) => {
  written.push(c);
  if (written.length === 65536) flush();
};
const exit = (status) => {
  throw new Exit(status);
};

try {
  const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]), { board: { put, exit } });
  instance.exports.start();
} catch (error) {
  if (!(error instanceof Exit)) throw error;
  process.exitCode = error.status;
} finally {
  flush();
}
