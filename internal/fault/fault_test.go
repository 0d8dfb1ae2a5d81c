package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/fault"
)

func TestAFaultNamesItsFieldAndSaysASentence(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault *fault.Error
		code  fault.Code
		field []string
		says  string
	}{
		{"invalid", fault.Invalid("first", "must be between 1 and %d", 100), fault.CodeInvalid, []string{"first"}, "first: must be between 1 and 100"},
		{"required", fault.Required("prices.0.currency"), fault.CodeRequired, []string{"prices", "0", "currency"}, "prices.0.currency: is required"},
		{"not found", fault.NotFound("id", "plan"), fault.CodeNotFound, []string{"id"}, "id: there is no such plan"},
		{"taken", fault.Taken("email", "belongs to customer %d", 7), fault.CodeTaken, []string{"email"}, "email: belongs to customer 7"},
		{"no field to blame", fault.New(fault.CodeConflict, "", "is over"), fault.CodeConflict, nil, "is over"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.code, c.fault.Code)
			require.Equal(t, c.field, c.fault.Field)
			require.EqualError(t, c.fault, c.says)
		})
	}
}

func TestListFindsWhatTheCallerHasToMendHoweverItIsWrapped(t *testing.T) {
	t.Parallel()
	one, two := fault.Required("name"), fault.Taken("shop", "is in use")
	for _, c := range []struct {
		name string
		err  error
		want fault.Errors
	}{
		{"one", one, fault.Errors{one}},
		{"one, wrapped", fmt.Errorf("sign up: %w", one), fault.Errors{one}},
		{"several", fault.Errors{one, two}, fault.Errors{one, two}},
		{"several, wrapped twice", fmt.Errorf("a: %w", fmt.Errorf("b: %w", fault.Errors{one, two})), fault.Errors{one, two}},
		{"an error of ours", errors.New("the database is gone"), nil},
		{"none", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, fault.List(c.err))
		})
	}
}

func TestIsLooksAtEveryFault(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("sign up: %w", fault.Errors{fault.Required("name"), fault.Taken("shop", "is in use")})
	require.True(t, fault.Is(err, fault.CodeRequired))
	require.True(t, fault.Is(err, fault.CodeTaken))
	require.False(t, fault.Is(err, fault.CodeNotFound))
	require.False(t, fault.Is(errors.New("the database is gone"), fault.CodeInvalid))
	require.False(t, fault.Is(nil, fault.CodeInvalid))
}

func TestACheckReportsEverythingItFoundInOrder(t *testing.T) {
	t.Parallel()
	var check fault.Check
	check.Add(nil)
	require.NoError(t, check.Err(), "a nil fault is none")

	check.Add(fault.Required("name"))
	check.Add(fault.Invalid("email", "is not an e-mail address"))
	require.EqualError(t, check.Err(), "name: is required; email: is not an e-mail address")
	require.Len(t, fault.List(check.Err()), 2)
}
