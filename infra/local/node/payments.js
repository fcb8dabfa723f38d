// payments of the Node.js version, with a charge that always succeeds.
"use strict";

const { listen, newID, next, publish, requireAuth, start } = require("./common");

start((client, app) => {
  const orders = new Map();
  listen(client, "payments-service", "order:created", (data) => {
    orders.set(data.id, { version: data.version, userId: data.userId, price: data.ticket.price, status: data.status });
  });
  listen(client, "payments-service", "order:cancelled", (data) => {
    next(orders, data).status = "cancelled";
  });
  app.post("/api/payments", requireAuth, async (req, res) => {
    const order = orders.get(req.body.orderId);
    if (!order) return res.status(404).send({});
    if (order.userId !== req.currentUser.id) return res.status(401).send({});
    if (order.status === "cancelled") return res.status(400).send({});
    const payment = { id: newID(), orderId: req.body.orderId, stripeId: `ch_${newID()}` };
    await publish(client, "payment:created", payment);
    res.status(201).send({ id: payment.id });
  });
});
