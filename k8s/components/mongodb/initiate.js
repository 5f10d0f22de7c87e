// Makes the replica set and its users. Run again, it changes only what differs, passwords included.
// It comes in as the members do, with the key file: nobody else can, before the first user is there.
const { readFileSync } = require("fs");

const secret = (name) => readFileSync(`${process.env.SECRETS}/${name}`, "utf8").trim();

const MEMBERS = process.env.MEMBERS.split(",");
const FIRST_MEMBER_TIMEOUT_MS = 120_000;
const PRIMARY_TIMEOUT_MS = 60_000;

const SET = {
  _id: "rs0",
  members: MEMBERS.map((host, _id) => ({ _id, host })),
  // A lost primary is replaced after about three seconds instead of the default's ten.
  settings: { electionTimeoutMillis: 2000 },
};

const USERS = [
  // readWrite holds what the service needs, the making of its indexes included, and nothing beyond its database.
  { db: "sessions", user: "sessions", pwd: secret("sessions-password"), roles: [{ role: "readWrite", db: "sessions" }] },
  // For people: backups, upgrades, changes of the replica set.
  { db: "admin", user: "operator", pwd: secret("operator-password"), roles: [{ role: "root", db: "admin" }] },
];

function asMember(hosts, options) {
  const key = secret("key").replace(/\s/g, "");
  return connect(`mongodb://__system:${encodeURIComponent(key)}@${hosts}/admin?authSource=local&${options}`);
}

function initiate(admin) {
  try {
    admin.adminCommand({ replSetGetStatus: 1 });
  } catch (error) {
    if (error.codeName !== "NotYetInitialized") throw error;
    admin.adminCommand({ replSetInitiate: SET });
    print(`initiated ${SET._id}: ${MEMBERS.join(", ")}`);
  }
}

function ensureUser(admin, { db, user, pwd, roles }) {
  const database = admin.getSiblingDB(db);
  if (database.getUser(user)) {
    database.updateUser(user, { pwd, roles });
  } else {
    database.createUser({ user, pwd, roles });
  }
  print(`user ${user} of ${db} is as it should be`);
}

initiate(asMember(MEMBERS[0], `directConnection=true&serverSelectionTimeoutMS=${FIRST_MEMBER_TIMEOUT_MS}`));
const primary = asMember(MEMBERS.join(","), `replicaSet=${SET._id}&w=majority&serverSelectionTimeoutMS=${PRIMARY_TIMEOUT_MS}`);
USERS.forEach((user) => ensureUser(primary, user));
