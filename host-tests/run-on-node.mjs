// Runs a test binary that was built for wasm32-wasip1 under Node, for cargo:
//
//   CARGO_TARGET_WASM32_WASIP1_RUNNER="node --single-threaded --no-warnings host-tests/run-on-node.mjs" cargo test --target wasm32-wasip1
//
// The filter's host calls are linked in too; no test makes one.
import { readFile } from "node:fs/promises";
import { argv, cwd, env, exit } from "node:process";
import { WASI } from "node:wasi";

const [, , binary, ...args] = argv;
const wasi = new WASI({
  version: "preview1",
  args: [binary, ...args],
  env,
  preopens: { "/": "/", ".": cwd() },
  returnOnExit: true,
});
const module = await WebAssembly.compile(await readFile(binary));
const imports = wasi.getImportObject();
imports.env = {};
for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
  if (from === "env" && kind === "function") {
    imports.env[name] = () => {
      throw new Error(`the test called the host: ${name}`);
    };
  }
}
const { memory, _start } = (await WebAssembly.instantiate(module, imports)).exports;
// The filter's own entry point, `_initialize`, is linked in as well; Node would take the binary for a library.
exit(wasi.start({ exports: { memory, _start } }));
