package query

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// SyntaxError says what is wrong with a condition that a user typed, and where.
type SyntaxError struct {
	Query string
	// Pos is the byte offset in Query at which the trouble starts, at most its
	// length.
	Pos int
	// Msg says what is wrong and, where possible, what to write instead.
	Msg string
}

// Error gives the column, counted in characters from 1, and the message.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("at character %d: %s", utf8.RuneCountInString(e.Query[:e.Pos])+1, e.Msg)
}

// Caret gives the line of the query that the error is in, a line with a caret
// under the place, and the message.
func (e *SyntaxError) Caret() string {
	start := strings.LastIndexByte(e.Query[:e.Pos], '\n') + 1
	line, _, _ := strings.Cut(e.Query[start:], "\n")
	pad := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, e.Query[start:e.Pos])
	return line + "\n" + pad + "^\n" + e.Msg
}
