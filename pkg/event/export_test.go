package event

// Encode returns what Encode returns for a value that Decode has returned.
func (r Row) Encode(value any) ([]byte, error) { return r.payload.encode(value) }
