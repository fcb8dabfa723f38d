// auth of the Node.js version: accounts with an email address and a password, and the session that the others read.
"use strict";

const { scryptSync, randomBytes } = require("crypto");
const jwt = require("jsonwebtoken");
const { newID, start } = require("./common");

start((_client, app) => {
  const accounts = new Map();
  const hash = (password, salt) => scryptSync(password, salt, 64).toString("hex");
  const signIn = (req, { id, email }) => {
    req.session = { jwt: jwt.sign({ id, email }, process.env.JWT_KEY) };
    return { id, email };
  };
  app.post("/api/users/signup", (req, res) => {
    const { email, password } = req.body;
    if (accounts.has(email)) return res.status(400).send({ errors: [{ message: "Email in use" }] });
    const salt = randomBytes(8).toString("hex");
    const account = { id: newID(), email, salt, password: hash(password, salt) };
    accounts.set(email, account);
    res.status(201).send(signIn(req, account));
  });
  app.post("/api/users/signin", (req, res) => {
    const account = accounts.get(req.body.email);
    if (!account || account.password !== hash(req.body.password, account.salt)) {
      return res.status(400).send({ errors: [{ message: "Invalid credentials" }] });
    }
    res.send(signIn(req, account));
  });
  app.post("/api/users/signout", (req, res) => {
    req.session = null;
    res.send({});
  });
  app.get("/api/users/currentuser", (req, res) => res.send({ currentUser: req.currentUser || null }));
});
