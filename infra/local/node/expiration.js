// expiration of the Node.js version, with a timer for its queue of jobs.
"use strict";

const { listen, publish, start } = require("./common");

start((client) => {
  listen(client, "expiration-service", "order:created", (order) => {
    const delay = new Date(order.expiresAt).getTime() - Date.now();
    setTimeout(() => publish(client, "expiration:complete", { orderId: order.id }), Math.max(0, delay));
  });
});
