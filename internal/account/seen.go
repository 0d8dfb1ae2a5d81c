package account

import (
	"sync"

	"portico/db"
)

// maxSeenKeys bounds the memory that remembered keys take: some 2 MB.
const maxSeenKeys = 4096

// seenKeys are the rows of API keys as this process has last found them, by the hash of the key. They are good for a guess only.
type seenKeys struct {
	mu   sync.RWMutex
	rows map[string]db.APIKeyByHashRow
}

func (s *seenKeys) get(hash []byte) (db.APIKeyByHashRow, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	row, seen := s.rows[string(hash)]
	return row, seen
}

// put remembers a row. When there are too many, any other is forgotten for it.
func (s *seenKeys) put(hash []byte, row db.APIKeyByHashRow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rows == nil {
		s.rows = map[string]db.APIKeyByHashRow{}
	}
	if _, seen := s.rows[string(hash)]; !seen && len(s.rows) >= maxSeenKeys {
		for other := range s.rows {
			delete(s.rows, other)
			break
		}
	}
	s.rows[string(hash)] = row
}

// drop forgets a row.
func (s *seenKeys) drop(hash []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rows, string(hash))
}
