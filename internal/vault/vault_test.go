package vault

import (
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/secret"
)

func TestTheSameKeysAreAdmittedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 2 {
		require.NoError(t, w.process(1).Admit(t.Context()))
	}
	require.NoError(t, w.process(1, 2).Admit(t.Context()), "a key more does no harm")
}

func TestAnotherPepperIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.process(1).Admit(t.Context()))
	right := w.pepper
	w.pepper = secret.NewKey()
	require.ErrorIs(t, w.process(1).Admit(t.Context()), ErrWrongPepper)
	require.ErrorIs(t, w.process(2, 1).Admit(t.Context()), ErrWrongPepper)
	w.pepper = right
	require.NoError(t, w.process(1).Admit(t.Context()))
	keys, err := w.db.EncryptionKeys(t.Context(), w.db.Pool())
	require.NoError(t, err)
	require.Len(t, keys, 1, "who is refused leaves nothing")
}

func TestAProcessWithoutAKeyThatHasSealedIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.process(1).Admit(t.Context()))
	require.ErrorContains(t, w.process(2).Admit(t.Context()), "PORTICO_KEYS lacks the key of version 1")
	require.NoError(t, w.process(1, 2).Admit(t.Context()))
	require.ErrorContains(t, w.process(2).Admit(t.Context()), "version 1", "which still seals")
	require.NoError(t, w.process(1).Admit(t.Context()), "a key that has never sealed is not asked for")
	require.NoError(t, w.process(2, 1).Admit(t.Context()))
	require.ErrorContains(t, w.process(1).Admit(t.Context()), "PORTICO_KEYS lacks the key of version 2")
}

func TestAnotherKeyUnderAKnownVersionIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.process(1).Admit(t.Context()))
	w.keys[1] = secret.NewKey()
	require.ErrorContains(t, w.process(1).Admit(t.Context()), "another key of version 1")
	require.ErrorContains(t, w.process(2, 1).Admit(t.Context()), "another key of version 1")
}

func TestAProcessThatComesTooLateWithAnotherKeyIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	late := w.process(1)
	known, err := late.proveKeys(t.Context())
	require.NoError(t, err)
	require.Empty(t, known, "it has looked before the other came")
	w.keys[1] = secret.NewKey()
	early := w.process(1)
	require.NoError(t, early.Admit(t.Context()))
	require.ErrorContains(t, late.note(t.Context()), "another key of version 1")
	require.NoError(t, early.Admit(t.Context()), "and nothing has changed for the first")
}
