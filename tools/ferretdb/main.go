// Command ferretdb serves MongoDB's protocol from SQLite until it is interrupted,
// for the demo's tests: a server that others wrote and that needs no package of
// the system. FerretDB's own command does not start when it is built as a
// dependency; this is its library.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:27017", "the `address` to listen on")
	dir := flag.String("dir", "", "the `folder` for the data, with a slash at its end")
	flag.Parse()
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: *listen},
		Handler:   "sqlite",
		SQLiteURL: "file:" + *dir,
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := server.Run(ctx); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}
