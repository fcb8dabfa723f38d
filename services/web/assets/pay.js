// Card fields by Stripe: the card's number goes to Stripe, and this site gets a token for it.
"use strict";

const form = document.querySelector("[data-stripe]");
const wrong = document.querySelector("#card-wrong");
const stripe = Stripe(form.dataset.stripe);
const card = stripe.elements().create("card");
card.mount("#card");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { paymentMethod, error } = await stripe.createPaymentMethod({ type: "card", card });
  wrong.textContent = error ? error.message : "";
  if (error) return;
  form.elements.token.value = paymentMethod.id;
  form.submit();
});
