// What the services of the Node.js version have in common: its own package, a connection, and a map for a database.
"use strict";

const { Listener, Publisher, currentUser, requireAuth } = require("@sgtickets/common");
const cookieSession = require("cookie-session");
const express = require("express");
const nats = require("node-nats-streaming");
const { randomBytes } = require("crypto");

// start connects a service named in the course's way and calls back with the connection and a router whose visitors are
// known by their session cookie. It says where it listens once both are there.
exports.start = (setUp) => {
  const client = nats.connect("ticketing", randomBytes(4).toString("hex"), { url: process.env.NATS_URL });
  client.on("connect", () => {
    const app = express();
    app.use(express.json());
    app.use(cookieSession({ signed: false, secure: false }));
    app.use(currentUser);
    setUp(client, app);
    const server = app.listen(0, "127.0.0.1", () => console.log(`ready http://127.0.0.1:${server.address().port}`));
  });
  client.on("close", () => process.exit());
  process.on("SIGTERM", () => client.close());
};

// listen subscribes a service to a subject with the course's Listener.
exports.listen = (client, service, subject, onMessage) => {
  class Subject extends Listener {
    constructor() {
      super(client);
      this.subject = subject;
      this.queueGroupName = service;
    }
    onMessage(data, msg) { // what is thrown leaves the message un-acked, and the service alive
      new Promise((done) => done(onMessage(data)))
        .then(() => msg.ack(), (error) => console.log(`${subject}: ${error.message}`));
    }
  }
  new Subject().listen();
};

// publish publishes with the course's Publisher.
exports.publish = (client, subject, data) => {
  class Subject extends Publisher {
    constructor() {
      super(client);
      this.subject = subject;
    }
  }
  return new Subject().publish(data);
};

// next is the course's version rule: an event is taken if the one before it was. Another one comes again.
exports.next = (entities, data) => {
  const entity = entities.get(data.id);
  if (!entity || entity.version !== data.version - 1) throw new Error(`version ${data.version} of ${data.id} is not next`);
  entity.version = data.version;
  return entity;
};

exports.newID = () => randomBytes(12).toString("hex");
exports.requireAuth = requireAuth;
