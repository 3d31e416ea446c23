//go:build !unix

package filestorage

import "os"

// lock leaves it to the database to find that another process has the file.
func lock(*os.File) (held bool, err error) { return true, nil }
