// Texts, their tokens, and the units of them that light up: pure functions.

const END = "</s>";

// Positions in a JavaScript string, by the offsets of bytes in its UTF-8: of the
// character that begins at a byte or has it inside, and of the end of the one before.
function positions(text) {
  const starts = [];
  const ends = [0];
  let at = 0;
  for (const character of text) {
    const point = character.codePointAt(0);
    const bytes = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (let i = 0; i < bytes; i++) {
      starts.push(at);
      ends.push(at + character.length);
    }
    at += character.length;
  }
  starts.push(at);
  const clamp = (offset) => Math.max(0, Math.min(offset, starts.length - 1));
  return { start: (byte) => starts[clamp(byte)], end: (byte) => ends[clamp(byte)] };
}

export function tokensOf(text, pieces, starts, ends) {
  const { start, end } = positions(text);
  let isFeature = false; // what stands behind the end
  return pieces.map((piece, i) => {
    const from = start(starts[i]);
    const to = Math.max(from, end(ends[i]));
    const isEnd = !isFeature && piece === END && from === text.length;
    const token = { piece, from, to, isEnd, isFeature };
    isFeature ||= isEnd;
    return { ...token, isBlank: !isEnd && !token.isFeature && !text.slice(from, to).trim() };
  });
}

function wordsOf(text) {
  if (!Intl.Segmenter) {
    return [...text.matchAll(/\S+/g)].map((x) => ({ from: x.index, to: x.index + x[0].length }));
  }
  return [...new Intl.Segmenter(undefined, { granularity: "word" }).segment(text)]
    .filter(({ segment }) => segment.trim())
    .map(({ segment, index }) => ({ from: index, to: index + segment.length }));
}

// Units are what lights up: each is a part of the text and the tokens in it. They
// never overlap: tokens that do (bytes of one character, say) are in one unit.
export function unitsOf(text, tokens, byWords) {
  const units = [];
  const words = byWords ? wordsOf(text) : [];
  let waiting = []; // blanks and tokens of nothing, which go with the one behind them
  tokens.forEach((token, number) => {
    const last = units.at(-1);
    if (token.isFeature) {
      units.push({ ...token, tokens: [number] });
    } else if (token.isEnd) {
      if (waiting.length && last) last.tokens.push(...waiting.splice(0));
      units.push({ ...token, tokens: [...waiting, number] });
      waiting = [];
    } else if (byWords ? token.isBlank : token.from === token.to) {
      waiting.push(number);
    } else {
      let { from, to } = token;
      if (byWords) {
        const inside = words.filter((x) => x.from < Math.max(to, from + 1) && from < x.to);
        from = Math.min(from, ...inside.map((x) => x.from));
        to = Math.max(to, ...inside.map((x) => x.to));
      }
      if (last && !last.isEnd && from < last.to) {
        last.to = Math.max(last.to, to);
        last.tokens.push(...waiting, number);
      } else {
        units.push({ ...token, from, to, tokens: [...waiting, number] });
      }
      waiting = [];
    }
  });
  if (waiting.length && units.length) units.at(-1).tokens.push(...waiting);
  for (const unit of units) {
    const part = text.slice(unit.from, unit.to);
    unit.label = unit.isEnd ? "end" : unit.isFeature ? unit.piece : part.trim() ? part : part ? "␣" : unit.piece;
  }
  return units;
}

// Of each unit of the target, how much of its attention goes to each of the source.
export function weightsOf(alignment, targets, sources) {
  return targets.map((target) =>
    sources.map((source) => {
      let sum = 0;
      for (const t of target.tokens) for (const s of source.tokens) sum += alignment[t][s] ?? 0;
      return Math.min(1, sum / target.tokens.length);
    }),
  );
}
