// tickets of the Node.js version. Whatever order is cancelled, its ticket is free.
"use strict";

const { listen, newID, publish, requireAuth, start } = require("./common");

start((client, app) => {
  const tickets = new Map();
  const held = (id, orderId) => {
    const ticket = tickets.get(id);
    if (!ticket) throw new Error(`there is no ticket ${id}`);
    ticket.orderId = orderId;
    ticket.version += 1;
    return publish(client, "ticket:updated", { ...ticket });
  };
  listen(client, "tickets-service", "order:created", (data) => held(data.ticket.id, data.id));
  listen(client, "tickets-service", "order:cancelled", (data) => held(data.ticket.id, undefined));

  app.post("/api/tickets", requireAuth, async (req, res) => {
    const { title, price } = req.body;
    const ticket = { id: newID(), version: 0, title, price, userId: req.currentUser.id };
    tickets.set(ticket.id, ticket);
    await publish(client, "ticket:created", { ...ticket });
    res.status(201).send(ticket);
  });
  app.get("/api/tickets/:id", (req, res) => res.send(tickets.get(req.params.id)));
});
