package ratelimit

// Remembered is how many keys have a bucket.
func Remembered(l *Limiter) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buckets.Len()
}
