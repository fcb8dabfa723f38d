//go:build browser

package browser

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"ticketing/infra/local"
)

// patience is how long a page may take on a slow machine.
const patience = 30 * time.Second

// startSystem runs a whole system whose orders may stay unpaid for a while, and returns the address of its page.
func startSystem(t *testing.T, window time.Duration) string {
	t.Helper()
	s, err := local.Start(t.Context(), local.Config{
		GatewayAddr: "127.0.0.1:0", NATSAddr: "127.0.0.1:0", MonitorAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0",
		DataDir: t.TempDir(), SessionTTL: time.Hour, OrderWindow: window,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	page := s.GatewayURL()
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return page
}

// look is how a window shows pages.
type look struct {
	width, height int64
	dark          bool
	noScript      bool
}

func desktop() look { return look{width: 1280, height: 900} }
func phone() look   { return look{width: 390, height: 844} }

// window is one person's browser, with cookies of its own.
type window struct {
	t    *testing.T
	ctx  context.Context
	page string // the system's
	look look
}

// open opens a browser window for somebody new.
func open(t *testing.T, page string, l look) *window {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.WindowSize(int(l.width), int(l.height)))
	if program := os.Getenv("CHROMIUM"); program != "" {
		options = append(options, chromedp.ExecPath(program))
	}
	ctx, cancel := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	w := &window{t, ctx, page, l}
	var viewport []chromedp.EmulateViewportOption
	if l.width < 500 {
		viewport = append(viewport, chromedp.EmulateMobile)
	}
	w.do("open a window", chromedp.EmulateViewport(l.width, l.height, viewport...))
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.scheme()}},
	})
	if err == nil && l.noScript {
		_, err = chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (l look) scheme() string {
	if l.dark {
		return "dark"
	}
	return "light"
}

// do does something in the window, within patience.
func (w *window) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ask(w, what, chromedp.Steps(steps...))
}

// ask is do for what has an answer.
func ask[T any](w *window, what string, action chromedp.Action[T]) T {
	w.t.Helper()
	type outcome struct {
		answer T
		err    error
	}
	done := make(chan outcome, 1)
	go func() { // the first run starts the browser, which lives as long as its context: it must not end with patience
		answer, err := chromedp.Run(w.ctx, action)
		done <- outcome{answer, err}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			w.t.Fatalf("%s: %v", what, o.err)
		}
		return o.answer
	case <-time.After(patience):
		w.t.Fatalf("%s: it takes too long; the page says:\n%s", what, w.text())
	}
	panic("unreachable")
}

// visit goes to a page by its path.
func (w *window) visit(path string) {
	w.t.Helper()
	w.do("visit "+path, chromedp.Navigate(w.page+path), chromedp.WaitReady("main"))
}

// follow clicks a link or a button by its words.
func (w *window) follow(words string) {
	w.t.Helper()
	path := fmt.Sprintf(`//main//*[self::a or self::button][contains(normalize-space(.), %q)] | //header//*[self::a or self::button][contains(normalize-space(.), %[1]q)]`, words)
	w.do("click "+words, chromedp.Click(path))
}

// fill types into a field by its id.
func (w *window) fill(id, text string) {
	w.t.Helper()
	w.do("fill "+id, chromedp.SetValue(chromedp.CSS("#"+id), text))
}

// see waits until the page has these words.
func (w *window) see(words string) {
	w.t.Helper()
	w.do("see "+words, chromedp.WaitVisible(fmt.Sprintf(`//body[contains(normalize-space(.), %q)]`, words)))
}

// text is what the page says now.
func (w *window) text() string {
	ctx, cancel := context.WithTimeout(w.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Text("body"))
	if err != nil {
		return err.Error()
	}
	return text
}

// path is where the window is.
func (w *window) path() string {
	w.t.Helper()
	return strings.TrimPrefix(ask(w, "read the address", chromedp.Location()), w.page)
}

// signUp makes an account on the page.
func (w *window) signUp(name string) {
	w.t.Helper()
	w.visit("/signup")
	w.fill("email", name+"@example.com")
	w.fill("password", "secret")
	w.do("sign up", chromedp.Submit("main form"))
	w.see(name + "@example.com")
}

// sell offers a ticket and returns the path of its page.
func (w *window) sell(title, price string) string {
	w.t.Helper()
	w.visit("/sell")
	w.fill("title", title)
	w.fill("price", price)
	w.do("sell", chromedp.Submit("main form"))
	w.see(title)
	w.see("Edit")
	return w.path()
}

// pays pays an order with one of the cards.
func (w *window) pay(token string) {
	w.t.Helper()
	w.do("choose "+token, chromedp.Click(fmt.Sprintf(`input[value=%q]`, token)))
	w.do("pay", chromedp.Submit(`form[action$="/pay"]`))
}

// violation is what axe-core reports of a page.
type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML           string `json:"html"`
		FailureSummary string `json:"failureSummary"`
	} `json:"nodes"`
}

// check has axe-core look at the page, takes a picture of it, and finds that nothing is wider than the window.
func (w *window) check(name string) {
	w.t.Helper()
	if !w.look.noScript {
		rules, err := os.ReadFile("node_modules/axe-core/axe.min.js")
		if err != nil {
			w.t.Fatal(err)
		}
		w.do("load the rules", chromedp.Evaluate[chromedp.Void](string(rules)))
		for _, v := range ask(w, "check "+name, chromedp.Evaluate[[]violation](
			`axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}).then(r => r.violations)`, chromedp.EvalAwaitPromise)) {
			w.t.Errorf("%s: %s: %s: %+v", name, v.ID, v.Help, v.Nodes)
		}
		if wide := ask(w, "measure "+name, chromedp.Evaluate[int](`document.documentElement.scrollWidth - innerWidth`)); wide > 0 {
			w.t.Errorf("%s is %d pixels wider than the window", name, wide)
		}
	}
	w.picture(name)
}

// picture keeps a picture of the page in the folder that SCREENSHOTS names, if it names one.
func (w *window) picture(name string) {
	w.t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	png := ask(w, "take a picture", chromedp.CaptureScreenshot())
	file := filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, w.look.width, w.look.scheme()))
	if err := os.WriteFile(file, png, 0o600); err != nil {
		w.t.Fatal(err)
	}
}
