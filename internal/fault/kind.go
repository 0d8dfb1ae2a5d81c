package fault

import "reflect"

// WrongKind says that a field's JSON value is not of the kind that goes into the Go type.
func WrongKind(field string, t reflect.Type) *Error { return Invalid(field, "must be %s", kindOf(t)) }

func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int64:
		return "a whole number"
	case reflect.Int32:
		return "a whole number of at most 32 bits"
	case reflect.String:
		return "a string"
	case reflect.Pointer:
		return kindOf(t.Elem())
	default:
		return "a JSON object"
	}
}
