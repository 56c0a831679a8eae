// Creates the indexes and views that the JSON files beside this file describe, like `docservice indexes apply`:
//
//     mongosh mongodb://HOST/DATABASE indexes/apply.mongosh.js
//
// Again changes nothing. An index that is there with other keys or options is named and left alone; a view holds no
// data and is made anew. Exit code 1 if anything is not as described in the end.

const { readdirSync, readFileSync } = require("fs");
const { join } = require("path");

const COMPARED = ["unique", "sparse", "partialFilterExpression", "expireAfterSeconds"];
const same = (one, other) => EJSON.stringify(one ?? null) === EJSON.stringify(other ?? null);
const collections = db.getCollectionNames();
const wrong = [];

// What `only_where` asks for: as EngineTraits of docservice, of MongoDB or of the Python build of the embedded engine.
const { secantusVersion, storageEngines } = db.adminCommand({ buildInfo: 1 });
const isPythonEngine = Boolean(secantusVersion) && !storageEngines;
const traits = { plans_with_any_prefix: !isPythonEngine, rewrites_index_entries: isPythonEngine };

const differs = (found, keys, options) =>
  !same(Object.entries(found.key), keys) || COMPARED.some((key) => !same(found[key], options[key]));

function applyIndex(collection, { name, keys, options, only_where = {}, formerly = [] }) {
  if (Object.entries(only_where).some(([trait, value]) => traits[trait] !== value)) return;
  const wanted = keys.map(([field, direction]) => [field, direction]);
  const there = collections.includes(collection) ? db.getCollection(collection).getIndexes() : [];
  let found = there.find((index) => index.name === name);
  if (found && formerly.some((old) => !differs(found, old.keys, old.options))) {
    db.getCollection(collection).dropIndex(name);
    found = undefined;
  }
  if (!found) {
    db.getCollection(collection).createIndex(Object.fromEntries(wanted), { ...options, name });
    print(`made: ${collection}.${name}`);
  } else if (differs(found, wanted, options)) {
    wrong.push(`different: ${collection}.${name}; drop it (db.${collection}.dropIndex("${name}")) and run this again`);
  }
}

function applyView({ view, on, pipeline }) {
  const [found] = db.runCommand({ listCollections: 1, filter: { name: view } }).cursor.firstBatch;
  if (found && found.type !== "view") {
    wrong.push(`in the way: a collection is called ${view}; rename it and run this again`);
  } else if (!found || found.options.viewOn !== on || !same(found.options.pipeline, pipeline)) {
    if (found) db.getCollection(view).drop();
    db.createView(view, on, pipeline);
    print(`made: view ${view}`);
  }
}

const files = readdirSync(__dirname).filter((name) => name.endsWith(".json")).sort();
for (const file of files) {
  const content = JSON.parse(readFileSync(join(__dirname, file), "utf8"));
  if (content.view) applyView(content);
  for (const index of content.indexes ?? []) applyIndex(content.collection, index);
}
for (const line of wrong) print(line);
print(`${files.length} files of ${__dirname} are applied to ${db.getName()}.`);
if (wrong.length) quit(1);
