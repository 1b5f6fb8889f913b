// Times inference in WebAssembly, as infer-core/examples/inference.rs does natively: node time.mjs PROGRAM.wasm MODEL.bin...
// Prints the name of each model and the microseconds of an image, the shortest of many runs. No code of the image is zero.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

const MILLISECONDS = 2000;
// About how long the runs between two looks at the clock take: short, so that some are not interrupted.
const UNINTERRUPTED = 0.1;

const [program, ...models] = process.argv.slice(2);
for (const model of models) {
  const { instance } = await WebAssembly.instantiate(readFileSync(program));
  const core = instance.exports;
  const bytes = readFileSync(model);
  const place = core.model_place(bytes.length);
  new Uint8Array(core.memory.buffer).set(bytes, place);
  if (core.load() !== 1) throw new Error(`${model} is refused`);
  const len = core.input_len();
  new Uint8Array(core.memory.buffer, core.input_place(), len).forEach((_, at, input) => {
    input[at] = at * at * 7 % 251 + 1;
  });
  let best = Infinity;
  let runs = 1;
  const start = performance.now();
  while (performance.now() - start < MILLISECONDS) {
    const begin = performance.now();
    core.repeat(runs);
    best = Math.min(best, (performance.now() - begin) / runs);
    runs = Math.max(1, Math.floor(UNINTERRUPTED / best));
  }
  console.log(basename(model, '.bin'), (1000 * best).toFixed(2));
}
