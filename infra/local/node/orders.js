// orders of the Node.js version, its quirks included: it completes an order without an event, cancels one that is
// cancelled once more when its time is over, and cancels one that is paid.
"use strict";

const { listen, newID, next, publish, requireAuth, start } = require("./common");

start((client, app) => {
  const tickets = new Map();
  const orders = new Map();
  const cancel = (order) => {
    order.status = "cancelled";
    order.version += 1;
    return publish(client, "order:cancelled", { id: order.id, version: order.version, ticket: { id: order.ticket.id } });
  };
  listen(client, "orders-service", "ticket:created", ({ id, version, title, price }) => {
    tickets.set(id, { id, version, title, price });
  });
  listen(client, "orders-service", "ticket:updated", (data) => {
    Object.assign(next(tickets, data), { title: data.title, price: data.price });
  });
  listen(client, "orders-service", "expiration:complete", ({ orderId }) => {
    const order = orders.get(orderId);
    if (!order) throw new Error(`there is no order ${orderId}`);
    if (order.status !== "complete") return cancel(order);
  });
  listen(client, "orders-service", "payment:created", ({ orderId }) => {
    const order = orders.get(orderId);
    if (!order) throw new Error(`there is no order ${orderId}`);
    order.status = "complete";
    order.version += 1;
  });

  app.post("/api/orders", requireAuth, async (req, res) => {
    const ticket = tickets.get(req.body.ticketId);
    if (!ticket) return res.status(404).send({});
    const taken = [...orders.values()].some((o) => o.ticket.id === ticket.id && o.status !== "cancelled");
    if (taken) return res.status(400).send({});
    const expiresAt = new Date(Date.now() + Number(process.env.ORDER_WINDOW_SECONDS) * 1000);
    const order = { id: newID(), version: 0, status: "created", userId: req.currentUser.id, expiresAt, ticket: { ...ticket } };
    orders.set(order.id, order);
    await publish(client, "order:created", {
      id: order.id, version: 0, status: order.status, userId: order.userId, expiresAt: expiresAt.toISOString(),
      ticket: { id: ticket.id, price: ticket.price },
    });
    res.status(201).send(order);
  });
  app.get("/api/orders/:id", requireAuth, (req, res) => res.send(orders.get(req.params.id)));
  app.delete("/api/orders/:id", requireAuth, async (req, res) => {
    await cancel(orders.get(req.params.id));
    res.status(204).send();
  });
});
