package webhook

// Rests tells whether a drain of the endpoint rests in this process.
func (w *Webhooks) Rests(endpointID int64) bool {
	w.idlers.mu.Lock()
	defer w.idlers.mu.Unlock()
	for one := range w.idlers.of {
		if one.ask.endpointID == endpointID {
			return true
		}
	}
	return false
}
