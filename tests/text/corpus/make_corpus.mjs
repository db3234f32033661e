// Writes ../segments_corpus.json.gz: texts and what Twilio's own calculator says about each.
//
//   mkdir /tmp/calculator && cd /tmp/calculator && npm install sms-segments-calculator@1.3.0
//   CALCULATOR=/tmp/calculator node <this file>
//
// The texts come from a seeded generator, so the same script writes the same corpus. A row is
// [text, encoding, units, segments]; units leave out the headers, as `Measure.units` does.

import { createRequire } from "node:module";
import { writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const require = createRequire(`${process.env.CALCULATOR}/index.js`);
const { SegmentedMessage } = require("sms-segments-calculator");

let seed = 20261101;
const random = () => {
  // mulberry32
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];

const BASIC = [
  ..."@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?",
  ..."¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà\n\r",
];
const EXTENDED = [..."\f[\\]^{|}~€"];
const NOT_GSM = [..."`’“”—…•çáÁ\t\u00a0ёя中日жع\u001b\u0000\u200b"];
const CLUSTERS = [
  "😀", "👍🏽", "✌🏿", "☝️", "🧑🏻", "👨‍👩‍👧‍👦", "👩🏽‍🚀", "👩‍⚕️", "❤️‍🔥", "🏳️‍🌈", "🏴‍☠️", "👩‍🦰", "🧑‍🤝‍🧑", "👁️‍🗨️",
  "🇺🇸", "🇬🇧", "🇺", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "1️⃣", "#️⃣", "e\u0301", "a\u0308\u0323", "각", "\u1100\u1161\u11a8", "가", "\u1100\u1100\u1161",
  "क्ष", "नि", "स्त्री", "กำ", "ที่", "\u0600\u0661", "\u200d", "\ufe0f", "\r\n", "🏽", "\ud83d", "\ude00",
];

const repeat = (alphabet, length) => Array.from({ length }, () => pick(alphabet)).join("");
const filler = (length, char = "a") => (length > 0 ? char.repeat(length) : "");
const around = (edges, spread = 3) => pick(edges) + below(2 * spread + 1) - spread;

const GSM_EDGES = [152, 153, 159, 160, 305, 306, 307, 458, 459, 460, 612];
const UCS_EDGES = [66, 67, 69, 70, 133, 134, 135, 200, 201, 202, 268];

const makers = [
  () => filler(around(GSM_EDGES), pick(BASIC)),
  () => repeat(BASIC, below(40)),
  () => filler(around(GSM_EDGES)) + pick(EXTENDED) + filler(below(4), "b"),
  () => filler(below(155)) + repeat(EXTENDED, below(90)) + filler(below(80), "c"),
  () => filler(around([152, 153, 159, 160])) + pick(NOT_GSM),
  () => filler(around(UCS_EDGES), pick(NOT_GSM)),
  () => pick(NOT_GSM) + filler(around(UCS_EDGES) - 1),
  () => pick(NOT_GSM) + filler(below(75)) + repeat(EXTENDED, below(8)) + filler(below(70)),
  () => filler(around(UCS_EDGES, 8)) + pick(CLUSTERS) + filler(below(12), "b"),
  () => filler(around(UCS_EDGES, 8)) + repeat(CLUSTERS, 1 + below(4)) + filler(below(75), "b"),
  () => filler(below(40)) + pick(CLUSTERS).repeat(1 + below(60)),
  () => repeat(CLUSTERS, below(30)),
  () => filler(below(60)) + "a" + "\u0301".repeat(below(90)) + filler(below(70), "b"),
  () => "\r\n".repeat(around([40, 76, 77, 80])) + filler(below(5)),
  () => filler(around(GSM_EDGES)) + "\r\n" + filler(below(9)),
  () => filler(around(UCS_EDGES)) + "\r\n" + pick(CLUSTERS),
  () => repeat([...BASIC, ...EXTENDED, ...NOT_GSM, ...CLUSTERS], below(90)),
];

const texts = new Set(["", " ", "\n", "\r\n", ...BASIC, ...EXTENDED, ...NOT_GSM, ...CLUSTERS]);
for (let i = 0; texts.size < 3400; i += 1) texts.add(makers[i % makers.length]());

const rows = [...texts].map((text) => {
  const message = new SegmentedMessage(text);
  const bits = message.encodingName === "GSM-7" ? 7 : 16;
  return [text, message.encodingName, message.messageSize / bits, message.segmentsCount];
});
const lines = rows.map((row) => JSON.stringify(row)).join(",\n");
writeFileSync(new URL("../segments_corpus.json.gz", import.meta.url), gzipSync(`[\n${lines}\n]\n`, { level: 9 }));
