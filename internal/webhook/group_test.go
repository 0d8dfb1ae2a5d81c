package webhook

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// desk answers questions, and notes which came together. It answers the first only when it is opened.
type desk struct {
	mu       sync.Mutex
	together [][]int
	gate     chan struct{}
	arrived  chan struct{}
}

func newDesk() *desk { return &desk{gate: make(chan struct{}), arrived: make(chan struct{}, 100)} }

var errRefused = errors.New("negative")

func (d *desk) answer(_ context.Context, questions []int) ([]int, error) {
	d.mu.Lock()
	d.together = append(d.together, questions)
	d.mu.Unlock()
	d.arrived <- struct{}{}
	<-d.gate
	answers := make([]int, len(questions))
	for i, q := range questions {
		if q < 0 {
			return nil, errRefused
		}
		answers[i] = 10 * q
	}
	return answers, nil
}

func (g *group[Q, A]) gathered() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting)
}

// crowd asks the first question, the others while that is being answered, and returns the answers and errors in their order.
func crowd(t *testing.T, d *desk, first int, others ...int) ([]int, []error) {
	t.Helper()
	var g group[int, int]
	questions := append([]int{first}, others...)
	answers, errs := make([]int, len(questions)), make([]error, len(questions))
	var all sync.WaitGroup
	for i, q := range questions {
		all.Go(func() { answers[i], errs[i] = g.ask(t.Context(), q, 0, d.answer) })
		if i == 0 {
			<-d.arrived
			continue
		}
		require.Eventually(t, func() bool { return g.gathered() == i }, 20*time.Second, time.Millisecond)
	}
	close(d.gate)
	all.Wait()
	return answers, errs
}

func TestQuestionsThatComeDuringAStatementShareTheNext(t *testing.T) {
	t.Parallel()
	d := newDesk()
	answers, errs := crowd(t, d, 1, 2, 3, 4)
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, []int{10, 20, 30, 40}, answers)
	require.Equal(t, [][]int{{1}, {2, 3, 4}}, d.together)
}

func TestAStatementIsSharedByFiftyAtMost(t *testing.T) {
	t.Parallel()
	d := newDesk()
	others := make([]int, 2*atOnce)
	answers, errs := crowd(t, d, 1, others...)
	require.NoError(t, errors.Join(errs...))
	require.Len(t, answers, 1+2*atOnce)
	require.Len(t, d.together, 3)
	require.Len(t, d.together[1], atOnce)
}

func TestOneThatFailsDoesNotFailThoseBesideIt(t *testing.T) {
	t.Parallel()
	d := newDesk()
	answers, errs := crowd(t, d, 1, 2, -3, 4)
	require.Equal(t, []int{10, 20, 0, 40}, answers)
	require.Equal(t, []error{nil, nil, errRefused, nil}, errs)
}

func TestOneThatGivesUpLeavesTheOthersTheirAnswers(t *testing.T) {
	t.Parallel()
	var g group[int, int]
	d := newDesk()
	impatient, giveUp := context.WithCancel(t.Context())
	gone, stays := make(chan error), make(chan int)
	go func() {
		_, err := g.ask(impatient, 1, 0, d.answer)
		gone <- err
	}()
	<-d.arrived
	go func() {
		answer, err := g.ask(t.Context(), 2, 0, d.answer)
		stays <- answer
		gone <- err
	}()
	require.Eventually(t, func() bool { return g.gathered() == 1 }, 20*time.Second, time.Millisecond)
	giveUp()
	require.ErrorIs(t, <-gone, context.Canceled)
	close(d.gate)
	require.Equal(t, 20, <-stays)
	require.NoError(t, <-gone)
}

func TestThoseWhoWaitForABeatHearTheSame(t *testing.T) {
	t.Parallel()
	var b beat
	first, second := b.after(time.Millisecond), b.after(time.Hour)
	require.Equal(t, first, second)
	<-second
	require.NotEqual(t, first, b.after(time.Millisecond))
}
