package webhook

import "time"

// catchUp is how much of the time that a drain was busy with other things it makes up for: a tenth of a second's requests may go out
// together, and any whole second sees the rate at most a tenth exceeded.
const catchUp = 100 * time.Millisecond

// spacing spreads an endpoint's requests evenly: the generic cell rate algorithm (ITU-T I.371), whose whole state is the time of the
// next request.
type spacing struct {
	every time.Duration // between two requests; 0 for no limit
	next  time.Time
}

// newSpacing takes the rate in requests per second, 0 for no limit, and the time of the next request as the last drain left it.
func newSpacing(perSecond int, next time.Time) spacing {
	if perSecond <= 0 {
		return spacing{}
	}
	return spacing{every: time.Second / time.Duration(perSecond), next: next}
}

// wait is how long the next request has to wait.
func (s *spacing) wait(now time.Time) time.Duration { return max(0, s.next.Sub(now)) }

// take uses the turn of a request that is made now.
func (s *spacing) take(now time.Time) {
	if s.every == 0 {
		return
	}
	if behind := now.Add(-catchUp); s.next.Before(behind) {
		s.next = behind
	}
	s.next = s.next.Add(s.every)
}

// within is how many requests may be made until the given time from now, at most most.
func (s *spacing) within(now time.Time, d time.Duration, most int) int {
	if s.every == 0 {
		return most
	}
	first := s.next
	if behind := now.Add(-catchUp); first.Before(behind) {
		first = behind
	}
	if until := now.Add(d); !first.After(until) {
		return min(most, 1+int(until.Sub(first)/s.every))
	}
	return 0
}
