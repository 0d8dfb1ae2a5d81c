package webhook

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/db"
)

// waiting is what could be sent: so many of each priority, by their ids: f1, f2 … r1 … p1 ….
func waiting(first, retry, replay int) []db.DueDeliveriesRow {
	var all []db.DueDeliveriesRow
	for priority, n := range []int{first, retry, replay} {
		for i := range n {
			all = append(all, db.DueDeliveriesRow{ID: int64(i + 1), Priority: int16(priority)})
		}
	}
	return all
}

func TestFirstAttemptsGoFirstAndTheOthersKeepTheirShare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                string
		first, retry, again int
		slots, turn         int
		want                string
	}{
		{"of eight, five are first attempts, two retries and one is a replay's", 99, 99, 99, 8, 0, "f1 f2 r1 f3 p1 f4 r2 f5"},
		{"a drain goes on where it was", 99, 99, 99, 3, 4, "p1 f1 r1"},
		{"and begins again after eight", 99, 99, 99, 4, 6, "r1 f1 f2 f3"},
		{"what one does not need goes to first attempts", 99, 0, 0, 8, 0, "f1 f2 f3 f4 f5 f6 f7 f8"},
		{"then to retries", 1, 99, 99, 8, 0, "f1 r1 r2 r3 p1 r4 r5 r6"},
		{"then to replays", 1, 1, 99, 8, 0, "f1 r1 p1 p2 p3 p4 p5 p6"},
		{"a slot that nobody needs stays free", 1, 1, 1, 8, 0, "f1 r1 p1"},
		{"a single slot is whose turn it is", 99, 99, 99, 1, 2, "r1"},
		{"nothing", 0, 0, 0, 8, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			for i, row := range choose(waiting(c.first, c.retry, c.again), c.slots, c.turn) {
				if i > 0 {
					got += " "
				}
				got += fmt.Sprintf("%c%d", "frp"[row.Priority], row.ID)
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestNoPriorityStarvesHoweverFewSlotsThereAre(t *testing.T) {
	t.Parallel()
	for slots := 1; slots <= 9; slots++ {
		var sent [priorities]int
		turn := 0
		for turn < 8*9*10 {
			for _, row := range choose(waiting(99, 99, 99), slots, turn) {
				sent[row.Priority]++
			}
			turn += slots
		}
		require.InDelta(t, turn*5/8, sent[firstAttempts], rounds)
		require.InDelta(t, turn*2/8, sent[retries], rounds)
		require.InDelta(t, turn/8, sent[replays], rounds)
	}
}

func TestHeldDeliveriesThatFillAViewMakeRoom(t *testing.T) {
	t.Parallel()
	size := viewSizes()
	for _, c := range []struct {
		name        string
		held, ready int
		full        bool
	}{
		{"all that can be seen", int(size[retries]), 0, true},
		{"all but one that can be sent", int(size[retries]) - 1, 1, true},
		{"not all", int(size[retries]) - 1, 0, false},
	} {
		var found []db.DueDeliveriesRow
		for i := range c.held + c.ready {
			found = append(found, db.DueDeliveriesRow{Priority: retries, Held: i < c.held, HeldUntil: noon})
		}
		found = append(found, db.DueDeliveriesRow{Priority: firstAttempts, Held: true, HeldUntil: noon})
		seen, ready := sift(found, noon)
		require.Len(t, ready, c.ready, c.name)
		require.Equal(t, c.full, seen.full, c.name)
		for _, row := range seen.rows[:c.held] {
			require.Equal(t, c.full, row.HeldUntil.Equal(noon.Add(leaseTime)), c.name)
		}
		require.True(t, seen.rows[c.held].HeldUntil.Equal(noon), "those of another priority have room")
	}
}
