package graph

import (
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"portico/internal/account"
)

// siblings are the objects of one type that one level of an answer shows. What is asked of one of them is asked of all, so that the
// first load is for all of them: a field costs one statement per level, however long the lists are.
type siblings[T any] struct {
	all   []*T
	mu    sync.Mutex
	loads map[string]func() (any, error)
}

// family makes the objects that show the rows, as siblings.
func family[Row, T any](rows []Row, show func(Row, *siblings[T]) *T) []*T {
	s := &siblings[T]{all: make([]*T, len(rows))}
	for i, row := range rows {
		s.all[i] = show(row, s)
	}
	return s.all
}

// families is family for the rows of many parents: all are siblings of one another.
func families[Row, T any](rows map[int64][]Row, show func(Row, *siblings[T]) *T) map[int64][]*T {
	s := &siblings[T]{}
	shown := make(map[int64][]*T, len(rows))
	for parent, ofParent := range rows {
		for _, row := range ofParent {
			shown[parent] = append(shown[parent], show(row, s))
		}
		s.all = append(s.all, shown[parent]...)
	}
	return shown
}

// alone makes an object that is the only one of its level.
func alone[Row, T any](row Row, show func(Row, *siblings[T]) *T) *T {
	return family([]Row{row}, show)[0]
}

// together loads something for all siblings, once.
func together[T, V any](s *siblings[T], name string, load func(all []*T) (V, error)) (V, error) {
	s.mu.Lock()
	once := s.loads[name]
	if once == nil {
		once = sync.OnceValues(func() (any, error) { return load(s.all) })
		if s.loads == nil {
			s.loads = map[string]func() (any, error){}
		}
		s.loads[name] = once
	}
	s.mu.Unlock()
	loaded, err := once()
	if err != nil {
		var none V
		return none, err
	}
	return loaded.(V), nil
}

// child is the object that a field of one sibling refers to by its id.
func child[T, C any](
	ctx context.Context, of *T, s *siblings[T], field string, id func(*T) int64,
	read func(ctx context.Context, ids []int64) (map[int64]*C, error),
) (*C, error) {
	found, err := together(s, field, func(all []*T) (map[int64]*C, error) { return read(ctx, distinct(all, id)) })
	return found[id(of)], err
}

// children are the objects that belong to one sibling.
func children[T, Row, C any](
	ctx context.Context, of *T, s *siblings[T], typename string, id func(*T) int64,
	read func(ctx context.Context, caller account.Caller, ids []int64) (map[int64][]Row, error), show func(Row, *siblings[C]) *C,
) ([]*C, error) {
	caller := callerOf(ctx)
	if err := mayRead(caller, typename); err != nil {
		return nil, err
	}
	found, err := together(s, typename, func(all []*T) (map[int64][]*C, error) {
		rows, err := read(ctx, caller, distinct(all, id))
		return families(rows, show), err
	})
	return found[id(of)], err
}

// distinct is the ids that objects refer to, each once; 0 refers to nothing.
func distinct[T any](all []*T, id func(*T) int64) []int64 {
	seen := make(map[int64]bool, len(all))
	ids := make([]int64, 0, len(all))
	for _, one := range all {
		if i := id(one); i != 0 && !seen[i] {
			seen[i] = true
			ids = append(ids, i)
		}
	}
	return ids
}

// readByID finds objects of a type that the caller may read by their ids, as siblings.
func readByID[Row, T any](
	ctx context.Context, typename string, ids []int64,
	read func(ctx context.Context, caller account.Caller, ids []int64) (map[int64]Row, error), show func(Row, *siblings[T]) *T,
) (map[int64]*T, error) {
	caller := callerOf(ctx)
	if err := mayRead(caller, typename); err != nil || len(ids) == 0 {
		return nil, err
	}
	rows, err := read(ctx, caller, ids)
	if err != nil {
		return nil, err
	}
	s := &siblings[T]{}
	found := make(map[int64]*T, len(rows))
	for id, row := range rows {
		found[id] = show(row, s)
		s.all = append(s.all, found[id])
	}
	return found, nil
}

// asksFor tells whether a field of a type is asked for somewhere below the field that is being resolved: what costs much to read is read
// only then.
func asksFor(ctx context.Context, typename, name string) bool {
	return anyField(graphql.GetFieldContext(ctx).Field.Selections, func(field *ast.Field) bool {
		return field.Name == name && field.ObjectDefinition.Name == typename
	})
}
