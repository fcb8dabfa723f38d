package stan

import (
	"testing"

	"pgregory.net/rapid"
)

func TestPositionResume(t *testing.T) {
	tests := map[string]struct {
		given func(p *position)
		want  uint64
	}{
		"nothing known":             {given: func(*position) {}},
		"begun and nothing seen":    {given: func(p *position) { p.after(4) }, want: 5},
		"begun and seen":            {given: func(p *position) { p.after(4); p.handed(5); p.acked(5) }, want: 6},
		"begun, first one dropped":  {given: func(p *position) { p.after(4); p.handed(6); p.acked(6) }, want: 5},
		"in work":                   {given: func(p *position) { p.handed(5) }, want: 5},
		"done":                      {given: func(p *position) { p.handed(5); p.acked(5) }, want: 6},
		"done out of order":         {given: func(p *position) { p.handed(5); p.handed(6); p.acked(6) }, want: 5},
		"all done out of order":     {given: func(p *position) { p.handed(5); p.handed(6); p.acked(6); p.acked(5) }, want: 7},
		"redelivered":               {given: func(p *position) { p.handed(5); p.handed(6); p.handed(5); p.acked(5); p.acked(6) }, want: 7},
		"dropped in between":        {given: func(p *position) { p.handed(5); p.acked(5); p.handed(9); p.acked(9) }, want: 6},
		"dropped in between, twice": {given: func(p *position) { p.handed(5); p.handed(9); p.handed(20); p.acked(5) }, want: 6},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var p position
			tt.given(&p)
			got, seen := p.resume()
			if got != tt.want || seen != (tt.want != 0) {
				t.Errorf("resumes at %d (%v), want %d", got, seen, tt.want)
			}
		})
	}
}

// Whatever is handed and acked in whatever order, nothing that was not acked lies before the position.
func TestPositionSkipsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p position
		done := make(map[uint64]bool)
		var first, last uint64
		for _, seq := range rapid.SliceOf(rapid.Uint64Range(1, 30)).Draw(t, "handed") {
			if first == 0 {
				first = seq
			}
			if seq < first {
				continue // the broker starts at the first and only comes back to what it has sent
			}
			p.handed(seq)
			last = max(last, seq)
			done[seq] = rapid.Bool().Draw(t, "acked")
			if done[seq] {
				p.acked(seq)
			}
		}
		from, seen := p.resume()
		if seen != (first != 0) {
			t.Fatalf("seen is %v after the first was %d", seen, first)
		}
		for seq := first; seen && seq <= last; seq++ {
			if !done[seq] && seq < from {
				t.Fatalf("resumes at %d, beyond %d, which was not acked", from, seq)
			}
		}
		if from > last+1 {
			t.Fatalf("resumes at %d, beyond what follows %d", from, last)
		}
	})
}
