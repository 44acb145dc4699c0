// Writes reference.json: what the original runtime, @tensorflow/tfjs 4.22.0 (plain JavaScript, CPU), makes of squares of images.
//
//     python test/detection/movenet/squares.py FOLDER          # the squares, as raw bytes
//     cd FOLDER && npm install @tensorflow/tfjs@4.22.0
//     node make_reference.mjs FOLDER MODELS reference.json     # MODELS: where `refit_ros models get` has put them
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
const [folder, models, output] = process.argv.slice(2);
const tf = createRequire(`${folder}/package.json`)('@tensorflow/tfjs');
await tf.setBackend('cpu');
const said = {};
for (const name of ['movenet_multipose', 'movenet_thunder', 'movenet_lightning']) {
  const { modelTopology, weightsManifest } = JSON.parse(readFileSync(`${models}/${name}.json`, 'utf8'));
  const weightSpecs = weightsManifest.flatMap((group) => group.weights);
  const bytes = readFileSync(`${models}/${name}.bin`);
  const weightData = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const network = await tf.loadGraphModel(tf.io.fromMemory({ modelTopology, weightSpecs, weightData }));
  said[name] = {};
  const side = name === 'movenet_lightning' ? 192 : 256;
  for (const image of ['astronaut', 'two']) {
    const pixels = new Int32Array(readFileSync(`${folder}/${image}_${side}.rgb`));
    const rows = await network.executeAsync(tf.tensor4d(pixels, [1, side, side, 3], 'int32'));
    said[name][image] = Array.from(await rows.data(), (value) => Number(value.toFixed(6)));
  }
}
writeFileSync(output, JSON.stringify(said) + '\n');
