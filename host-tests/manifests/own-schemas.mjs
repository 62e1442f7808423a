// Checks objects of kinds whose projects publish no package with their schema, by schemas of our own: each says what it was
// read from, and refuses every field that it does not name. They hold only what the shipped objects use.

import { readFileSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import Ajv from "ajv/dist/2020.js";
import { parse } from "yaml";

const folder = join(dirname(fileURLToPath(import.meta.url)), "schemas");
const read = (file) => parse(readFileSync(join(folder, file), "utf8"));
const common = read("common.yaml");
const ajv = new Ajv({ strict: true, strictRequired: false, strictTypes: false, allErrors: true });

const validators = new Map(
  readdirSync(folder)
    .filter((file) => file !== "common.yaml")
    .map((file) => [basename(file, ".yaml"), read(file)])
    .map(([kind, schema]) => [kind, ajv.compile({ ...schema, $defs: { ...common, ...schema.$defs } })]),
);

// Fields that hold anything, and maps whose keys users choose.
const FREE = new Set(["config", "pluginConfig", "value", "matchLabels"]);

export const has = (kind) => validators.has(kind);

// What is wrong with an object of such a kind.
export function complaints(object) {
  const validate = validators.get(object.kind);
  return validate(object) ? [] : validate.errors.map(({ instancePath, message, params }) =>
    `${instancePath || "/"} ${message}${params.additionalProperty ? ` (${params.additionalProperty})` : ""}`);
}

// The fields of an object that may be misspelt without a complaint: none, or the schema is good for nothing.
export function unnoticed(object) {
  return misspelt(object).filter(([, copy]) => complaints(copy).length === 0).map(([path]) => path);
}

// Copies of a value with one field's name changed, each with the field's path.
function misspelt(value) {
  if (Array.isArray(value)) {
    return value.flatMap((item, at) => misspelt(item).map(([path, copy]) => [`/${at}${path}`, value.with(at, copy)]));
  }
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const { [key]: _, ...others } = value;
    const within = FREE.has(key) ? [] : misspelt(inner);
    // The kind itself chooses the schema.
    const here = key === "kind" ? [] : [[`/${key}`, { ...others, [`${key}s`]: inner }]];
    return [...here, ...within.map(([path, copy]) => [`/${key}${path}`, { ...value, [key]: copy }])];
  });
}
