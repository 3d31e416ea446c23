package otlpreceiver

import (
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// roomBytes is how much memory requests may have that are not answered yet:
// their bytes, and what is read from them. Four senders of the usual requests
// need 10 MB.
const roomBytes = 192 << 20

// room bounds the memory of all requests to the receivers of a process. Who
// finds none is asked to come again: the alternative is to be killed with
// everything that was held.
type room struct {
	mu    sync.Mutex
	bound int64
	held  int64
}

// hold is what one request has of a room.
type hold struct {
	room  *room
	bytes int64
}

// take takes so many bytes more, and is false when they are not there. A request
// that is alone gets what it asks for: its own limits bound it.
func (h *hold) take(bytes int64) bool {
	h.room.mu.Lock()
	defer h.room.mu.Unlock()
	if h.room.held+bytes > h.room.bound && h.room.held > h.bytes {
		return false
	}
	h.room.held += bytes
	h.bytes += bytes
	return true
}

// give gives everything back.
func (h *hold) give() {
	h.room.mu.Lock()
	defer h.room.mu.Unlock()
	h.room.held -= h.bytes
	h.bytes = 0
}

// noRoom is the answer to a request for which there is no memory.
func noRoom() *status.Status {
	s := status.New(codes.Unavailable, "the receiver holds as many requests as it can: try again")
	again, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)})
	if err != nil {
		return s
	}
	return again
}
