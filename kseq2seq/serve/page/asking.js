// Questions to the REST API.

export const MODEL = `v1/models/${encodeURIComponent(document.body.dataset.model)}`;

// TensorFlow Serving writes numbers that JSON does not have. Strings stay as they are.
function parse(text) {
  const numbers = { NaN: "null", Infinity: "1e999", "-Infinity": "-1e999" };
  return JSON.parse(
    text.replace(/"(?:[^"\\]|\\.)*"|NaN|-?Infinity/g, (found) => numbers[found] ?? found),
  );
}

export async function ask(path, body) {
  let response, text;
  try {
    response = await fetch(path, body && { method: "POST", body: JSON.stringify(body) });
    text = await response.text();
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  let answer;
  try {
    answer = parse(text);
  } catch {
    throw new Error(`The server answered with something else than JSON (${response.status}).`);
  }
  if (!response.ok) throw new Error(answer.error ?? `Error ${response.status}.`);
  return answer;
}

// The outputs of a signature for one row, under their names.
export async function predict(signature, inputs) {
  const row = Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, [x]]));
  const body = { signature_name: signature, inputs: row };
  const { outputs } = await ask(`${MODEL}:predict`, body);
  return Object.fromEntries(Object.entries(outputs).map(([name, [x]]) => [name, x]));
}
