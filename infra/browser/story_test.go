//go:build browser

package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Two people, one ticket: it is sold, searched for, bought, refused by a card, and paid, while another window looks on.
func TestTheStoryOnEveryScreen(t *testing.T) {
	for name, l := range map[string]look{
		"desktop": desktop(), "phone": phone(),
		"desktop in the dark": {width: 1280, height: 900, dark: true}, "phone in the dark": {width: 390, height: 844, dark: true},
	} {
		t.Run(name, func(t *testing.T) {
			page := startSystem(t, 15*time.Minute)
			alice, bob := open(t, page, l), open(t, page, l)
			alice.visit("/")
			alice.see("Nothing is for sale yet")
			alice.check("empty")
			alice.visit("/signup")
			alice.check("signup")
			alice.signUp("alice")
			alice.visit("/sell")
			alice.check("sell")

			// what is wrong stands beside its field, and what was typed stays
			alice.fill("title", "<script>alert(1)</script>")
			alice.fill("price", "0")
			alice.do("sell", chromedp.Submit("main form"))
			alice.see("must be greater than 0")
			alice.check("wrong")
			if kept := ask(alice, "read the title", chromedp.Value("#title")); kept != "<script>alert(1)</script>" {
				t.Errorf("the title is now %q", kept)
			}

			for i, title := range []string{
				"The Winter's Tale, stalls row C", "Jazz at the harbour", "<b>Rock</b> & Roll", "City marathon: start group A",
				"An evening of chamber music with the municipal quartet and guests", "Open air cinema",
			} {
				alice.sell(title, fmt.Sprintf("%d.40", 18+10*i))
			}
			ticket := alice.path()
			alice.check("own")
			alice.visit("/mine")
			alice.check("mine")

			// bob finds it without an account, and signs up to buy it
			bob.visit("/")
			bob.see("Open air cinema")
			bob.check("tickets")
			bob.fill("title", "OPEN air")
			bob.do("search", chromedp.Submit("main form"))
			bob.see("Open air cinema")
			bob.check("search")
			bob.visit(ticket)
			bob.check("ticket")
			bob.signUp("bob")
			bob.visit(ticket)

			// given a third window that looks at the list
			carol := open(t, page, l)
			carol.visit("/?title=open")
			carol.see("Open air cinema")
			bob.follow("Buy this ticket")
			bob.see("It is held for you for")
			bob.check("order")
			carol.see("No ticket for sale") // without a reload

			bob.pay("tok_chargeDeclined")
			bob.see("the card was declined")
			bob.check("declined")
			bob.pay("tok_visa")
			bob.see("The ticket is yours") // live, or at once
			bob.check("paid")
			bob.visit("/orders")
			bob.see("complete")
			bob.check("orders")

			alice.visit("/mine")
			alice.see("sold")
			alice.visit(ticket + "/edit")
			alice.fill("price", "1")
			alice.do("edit", chromedp.Submit("main form"))
			alice.see("is sold and cannot be changed")
			carol.visit(ticket)
			carol.see("Somebody else has it")
			carol.visit("/nothing/here")
			carol.see("There is nothing here")
			carol.check("error")
		})
	}
}

// An order that nobody pays is over while its buyer looks at it, and the ticket comes back to who waits for it.
func TestAnOrderExpiresOnThePage(t *testing.T) {
	page := startSystem(t, 5*time.Second)
	alice, bob := open(t, page, desktop()), open(t, page, desktop())
	alice.signUp("alice")
	ticket := alice.sell("Opera", "19.99")
	bob.signUp("bob")
	bob.visit(ticket)
	bob.follow("Buy this ticket")
	bob.see("It is held for you for 0:0")
	alice.visit("/")
	alice.see("Nothing is for sale")
	alice.see("Opera")
	bob.see("This order is cancelled")
	bob.check("expired")
}

// Everything but the countdown and the live changes works without script.
func TestWithoutScript(t *testing.T) {
	page := startSystem(t, 15*time.Minute)
	l := phone()
	l.noScript = true
	alice, bob := open(t, page, l), open(t, page, l)
	alice.signUp("alice")
	ticket := alice.sell("Opera", "19.99")
	bob.signUp("bob")
	bob.visit(ticket)
	bob.follow("Buy this ticket")
	bob.see("It is held for you until")
	bob.follow("Cancel the order")
	bob.see("This order is cancelled")
	bob.visit(ticket)
	bob.see("Buy this ticket")
	bob.follow("Buy this ticket")
	bob.see("It is held for you until")
	order := bob.path()
	bob.follow("Pay $19.99")
	bob.do("wait for the answer", chromedp.WaitNotPresent(`form[action$="/pay"]`))
	for deadline := time.Now().Add(patience); ; bob.visit(order) {
		if text := bob.text(); time.Now().After(deadline) {
			t.Fatalf("the order is not complete:\n%s", text)
		} else if strings.Contains(text, "The ticket is yours") {
			break
		}
	}
	bob.follow("Sign out")
	bob.see("Sign in")
	bob.visit(order)
	bob.see("Password")
	bob.fill("email", "bob@example.com")
	bob.fill("password", "secret")
	bob.do("sign in", chromedp.Submit("main form"))
	bob.see("The ticket is yours") // back where it was
}
