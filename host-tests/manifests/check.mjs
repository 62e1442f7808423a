// Builds each kustomization below envoy/ and checks every object of it: unknown fields by the types that are generated from
// the projects' CRDs and Kubernetes' own API, values by the validators generated from the same. Kinds whose project
// publishes no package are checked by schemas of our own, of which it is checked that they find a misspelt field.
//
//   node check.mjs KUBECTL

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { parseAllDocuments } from "yaml";
import * as own from "./own-schemas.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const shipped = join(here, "../../envoy");
const kubectl = process.argv[2] ?? "kubectl";

// Where the types of a group are; without the group, those of Kubernetes itself.
const PACKAGES = {
  "extensions.istio.io": "@kubernetes-models/istio/extensions.istio.io",
  "networking.istio.io": "@kubernetes-models/istio/networking.istio.io",
  "gateway.networking.k8s.io": "@kubernetes-models/gateway-api/gateway.networking.k8s.io",
  "rbac.authorization.k8s.io": "kubernetes-models/rbac.authorization.k8s.io",
  apps: "kubernetes-models/apps",
  "": "kubernetes-models",
};

function kustomizations(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.name === "kustomization.yaml")
    .map((entry) => entry.parentPath ?? entry.path)
    .sort();
}

const objects = kustomizations(shipped).flatMap((folder) => {
  const built = execFileSync(kubectl, ["kustomize", folder], { encoding: "utf8" });
  return parseAllDocuments(built, { strict: true }).map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return { folder: relative(shipped, folder), object: document.toJS() };
  });
});

const checked = [];
const byOwn = [];
for (const { folder, object } of objects) {
  const { apiVersion, kind } = object;
  const [version, group = ""] = apiVersion.split("/").reverse();
  if (own.has(kind)) {
    byOwn.push({ folder, kind, object });
  } else if (PACKAGES[group] === undefined) {
    throw new Error(`${folder}: no schema for ${apiVersion} ${kind}`);
  } else {
    checked.push({ folder, kind, object, module: `${PACKAGES[group]}/${version}/${kind}` });
  }
}

let complaints = [];
// As object literals in a program, since only those may hold no more than their type says.
const source = checked.map(({ folder, kind, object, module }, index) =>
  `import type { I${kind} as T${index} } from "${module}";\n// ${folder}\nexport const o${index}: T${index} = ${JSON.stringify(object)};`);
const work = mkdtempSync(join(here, "check-"));
try {
  const file = join(work, "objects.ts");
  writeFileSync(file, source.join("\n"));
  const options = {
    strict: true, noEmit: true, skipLibCheck: true, module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022,
    moduleResolution: ts.ModuleResolutionKind.NodeNext, types: [],
  };
  const program = ts.createProgram([file], options);
  complaints = ts.getPreEmitDiagnostics(program).map((diagnostic) => {
    const line = diagnostic.file?.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line ?? 0;
    const at = checked[Math.floor(line / 3)];
    return `${at?.folder} ${at?.kind}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n  ")}`;
  });
} finally {
  rmSync(work, { recursive: true });
}
for (const { folder, kind, object, module } of checked) {
  const { [kind]: Model } = await import(module);
  try {
    new Model(object).validate();
  } catch (error) {
    complaints.push(`${folder} ${kind}: ${error.message}`);
  }
}
for (const { folder, kind, object } of byOwn) {
  complaints.push(...own.complaints(object).map((complaint) => `${folder} ${kind}: ${complaint}`));
  complaints.push(...own.unnoticed(object).map((path) => `${folder} ${kind}: nobody would notice ${path} misspelt`));
}

complaints.forEach((complaint) => console.error(complaint));
console.log(`${checked.length + byOwn.length - complaints.length} passed, ${complaints.length} failed`);
process.exit(complaints.length > 0 ? 1 : 0);
