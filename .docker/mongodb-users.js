// Run by MongoDB's image once, when the data folder is empty: the accounts beside root.
db.getSiblingDB("docservice").createUser({
  user: "docservice",
  pwd: process.env.MONGODB_PASSWORD,
  roles: [{ role: "readWrite", db: "docservice" }],
});
db.getSiblingDB("admin").createUser({
  user: "backup",
  pwd: process.env.MONGODB_BACKUP_PASSWORD,
  roles: ["backup"],
});
