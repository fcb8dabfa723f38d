package main

import (
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are kept in microseconds with three significant digits. What took longer than the longest counts
// as that.
const (
	shortest = time.Microsecond
	longest  = 2 * time.Minute
	digits   = 3
)

func newHistogram() *hdr.Histogram {
	return hdr.New(shortest.Microseconds(), longest.Microseconds(), digits)
}

// answer is what came of a request.
type answer int

const (
	// expected: the status that the API promises, also 409 where others were first.
	expected answer = iota
	// refused: 503, by which the system says that it takes no more now.
	refused
	// wrong: any other status, or none.
	wrong
)

// counts are what became of the requests of some time.
type counts struct {
	Sent, Expected, Refused, Wrong, Dropped int64
}

func (c counts) answers() int64 { return c.Expected + c.Refused + c.Wrong }

// recorder counts a step's requests and their latencies, as a whole and since the last look. It may be used
// concurrently.
type recorder struct {
	mu     sync.Mutex
	whole  sample
	recent sample
}

// sample is counts and latencies of some time.
type sample struct {
	counts
	latency *hdr.Histogram
}

func newRecorder() *recorder {
	return &recorder{whole: sample{latency: newHistogram()}, recent: sample{latency: newHistogram()}}
}

func (r *recorder) sent() { r.both(func(s *sample) { s.Sent++ }) }

func (r *recorder) drop() { r.both(func(s *sample) { s.Dropped++ }) }

// answered notes an answer and how long after the request was due it came.
func (r *recorder) answered(a answer, latency time.Duration) { r.answeredPaced(a, latency, 0) }

// answeredPaced notes an answer to a client that would have asked once per interval. Where the answer took
// longer, it adds what the requests not made would have waited. With an interval of 0 nothing is added.
func (r *recorder) answeredPaced(a answer, latency, interval time.Duration) {
	value := max(min(latency, longest), shortest).Microseconds()
	r.both(func(s *sample) {
		switch a {
		case expected:
			s.Expected++
		case refused:
			s.Refused++
		case wrong:
			s.Wrong++
		}
		// both fail only for a value above longest
		_ = s.latency.RecordCorrectedValue(value, interval.Microseconds())
	})
}

func (r *recorder) both(note func(*sample)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	note(&r.whole)
	note(&r.recent)
}

// look returns what came since the last look, and how many requests wait for their answers now.
func (r *recorder) look() (recent sample, inFlight int64) {
	fresh := newHistogram()
	r.mu.Lock()
	defer r.mu.Unlock()
	recent = r.recent
	r.recent = sample{latency: fresh}
	return recent, r.whole.Sent - r.whole.answers()
}

// total is everything so far. The caller has waited for whoever records.
func (r *recorder) total() sample { return r.whole }

// percentile is the latency that so many percent do not exceed; 0 where there is none.
func (s sample) percentile(percent float64) time.Duration {
	return time.Duration(s.latency.ValueAtPercentile(percent)) * time.Microsecond
}

func (s sample) max() time.Duration { return time.Duration(s.latency.Max()) * time.Microsecond }
