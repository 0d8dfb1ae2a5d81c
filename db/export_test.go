package db

// Waiting is how many questions wait for a place.
func (d *DB) Waiting() int {
	d.rounds.mu.Lock()
	defer d.rounds.mu.Unlock()
	return len(d.rounds.waiting)
}

// Places is how many places are free.
func (d *DB) Places() int {
	d.rounds.mu.Lock()
	defer d.rounds.mu.Unlock()
	return d.rounds.free
}

// Together is which statements may go together.
func Together() []string { return together() }
