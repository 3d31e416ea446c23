package demo

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
)

// mongoTimeout bounds each operation, and how long a server is looked for.
const mongoTimeout = 2 * time.Second

// mongoDB keeps messages as the Python original does: database guestbook,
// collection messages.
type mongoDB struct {
	client   *mongo.Client
	messages *mongo.Collection
}

// openMongoDB makes a client. The server is looked for by the first operation,
// so the guestbook starts before its database, and says so until that is there.
func openMongoDB(tel *telemetry, uri string) (*mongoDB, error) {
	duration, err := newOperationDuration(tel)
	if err != nil {
		return nil, err
	}
	commands := &mongoCommands{telemetry: tel, duration: duration, running: map[mongoCommand]startedCommand{}}
	client, err := mongo.Connect(options.Client().ApplyURI(uri).
		SetAppName("guestbook").
		SetTimeout(mongoTimeout).
		SetServerSelectionTimeout(mongoTimeout).
		SetMonitor(&event.CommandMonitor{Started: commands.started, Succeeded: commands.succeeded, Failed: commands.failed}))
	if err != nil {
		return nil, fmt.Errorf("connecting to MongoDB: %w", err)
	}
	return &mongoDB{client, client.Database("guestbook").Collection("messages")}, nil
}

func (m *mongoDB) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), mongoTimeout)
	defer cancel()
	return m.client.Disconnect(ctx)
}

func (m *mongoDB) insert(ctx context.Context, msg message) error {
	_, err := m.messages.InsertOne(ctx, bson.D{{Key: "author", Value: msg.Author}, {Key: "message", Value: msg.Message}, {Key: "date", Value: msg.Date}})
	return err
}

func (m *mongoDB) list(ctx context.Context) ([]message, error) {
	cursor, err := m.messages.Find(ctx, bson.D{}, options.Find().
		SetProjection(bson.D{{Key: "author", Value: 1}, {Key: "message", Value: 1}, {Key: "date", Value: 1}, {Key: "_id", Value: 0}}).
		SetSort(bson.D{{Key: "_id", Value: -1}}).
		SetLimit(maxListed))
	if err != nil {
		return nil, err
	}
	all := []message{}
	return all, cursor.All(ctx, &all)
}

// mongoCommands makes a span of each command that the driver sends. Spans are
// named database.command, as those of the Python original.
type mongoCommands struct {
	*telemetry
	duration metric.Float64Histogram

	mu      sync.Mutex
	running map[mongoCommand]startedCommand
}

// mongoCommand identifies a command that is under way.
type mongoCommand struct {
	connection string
	request    int64
}

type startedCommand struct {
	span       trace.Span
	attributes []attribute.KeyValue
}

func (c *mongoCommands) started(ctx context.Context, e *event.CommandStartedEvent) {
	attributes := []attribute.KeyValue{
		semconv.DBSystemNameMongoDB,
		semconv.DBNamespace(e.DatabaseName),
		semconv.DBOperationName(e.CommandName),
	}
	if collection, ok := e.Command.Lookup(e.CommandName).StringValueOK(); ok {
		attributes = append(attributes, semconv.DBCollectionName(collection))
	}
	_, span := c.tracer.Start(ctx, e.DatabaseName+"."+e.CommandName, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running[mongoCommand{e.ConnectionID, e.RequestID}] = startedCommand{span, attributes}
}

func (c *mongoCommands) succeeded(ctx context.Context, e *event.CommandSucceededEvent) {
	c.finish(ctx, e.CommandFinishedEvent, nil)
}

func (c *mongoCommands) failed(ctx context.Context, e *event.CommandFailedEvent) {
	c.finish(ctx, e.CommandFinishedEvent, e.Failure)
}

func (c *mongoCommands) finish(ctx context.Context, e event.CommandFinishedEvent, err error) {
	key := mongoCommand{e.ConnectionID, e.RequestID}
	c.mu.Lock()
	command, ok := c.running[key]
	delete(c.running, key)
	c.mu.Unlock()
	if !ok {
		return
	}
	if err != nil {
		kind := semconv.ErrorTypeKey.String(fmt.Sprintf("%T", err))
		if refused := (driver.Error{}); errors.As(err, &refused) {
			kind = semconv.ErrorTypeKey.String(strconv.Itoa(int(refused.Code)))
		}
		command.span.SetAttributes(kind)
		command.span.SetStatus(codes.Error, err.Error())
		command.attributes = append(command.attributes, kind)
	}
	command.span.End()
	c.duration.Record(ctx, e.Duration.Seconds(), metric.WithAttributes(command.attributes...))
}
