package ingest

// Field numbers of OTLP, checked against the published descriptors by a test.
// The frame of traces and logs has the same numbers.
const (
	requestRecords = 1 // resource_spans, resource_logs

	resourceRecordsResource  = 1
	resourceRecordsScopes    = 2
	resourceRecordsSchemaURL = 3
	resourceRecordsLegacy    = 1000 // scopes, as they were called before 2022

	scopeRecordsScope     = 1
	scopeRecordsRecords   = 2
	scopeRecordsSchemaURL = 3

	resourceAttrs        = 1
	resourceDroppedAttrs = 2
	resourceEntityRefs   = 3

	entitySchemaURL = 1
	entityType      = 2
	entityIDKeys    = 3
	entityDescKeys  = 4

	scopeName         = 1
	scopeVersion      = 2
	scopeAttrs        = 3
	scopeDroppedAttrs = 4

	spanTraceID       = 1
	spanSpanID        = 2
	spanTraceState    = 3
	spanParentID      = 4
	spanName          = 5
	spanKind          = 6
	spanStart         = 7
	spanEnd           = 8
	spanAttrs         = 9
	spanDroppedAttrs  = 10
	spanEvents        = 11
	spanDroppedEvents = 12
	spanLinks         = 13
	spanDroppedLinks  = 14
	spanStatus        = 15
	spanFlags         = 16

	eventTime         = 1
	eventName         = 2
	eventAttrs        = 3
	eventDroppedAttrs = 4

	linkTraceID      = 1
	linkSpanID       = 2
	linkTraceState   = 3
	linkAttrs        = 4
	linkDroppedAttrs = 5
	linkFlags        = 6

	statusMessage = 2
	statusCode    = 3

	logTime           = 1
	logSeverityNumber = 2
	logSeverityText   = 3
	logBody           = 5
	logAttrs          = 6
	logDroppedAttrs   = 7
	logFlags          = 8
	logTraceID        = 9
	logSpanID         = 10
	logObservedTime   = 11
	logEventName      = 12

	keyValueKey      = 1
	keyValueValue    = 2
	keyValueStrindex = 3 // of profiles; read as an empty key

	valueString   = 1
	valueBool     = 2
	valueInt      = 3
	valueDouble   = 4
	valueArray    = 5
	valueMap      = 6
	valueBytes    = 7
	valueStrindex = 8 // of profiles; read as Empty

	listValues = 1 // of ArrayValue and KeyValueList
)

// What each message declares.
var (
	requestFields         = declared(requestRecords)
	resourceRecordsFields = declared(resourceRecordsResource, resourceRecordsScopes, resourceRecordsSchemaURL)
	scopeRecordsFields    = declared(scopeRecordsScope, scopeRecordsRecords, scopeRecordsSchemaURL)
	resourceFields        = declared(resourceAttrs, resourceDroppedAttrs, resourceEntityRefs)
	entityFields          = declared(entitySchemaURL, entityType, entityIDKeys, entityDescKeys)
	scopeFields           = declared(scopeName, scopeVersion, scopeAttrs, scopeDroppedAttrs)
	spanFields            = declared(spanTraceID, spanSpanID, spanTraceState, spanParentID, spanName, spanKind,
		spanStart, spanEnd, spanAttrs, spanDroppedAttrs, spanEvents, spanDroppedEvents, spanLinks,
		spanDroppedLinks, spanStatus, spanFlags)
	eventFields  = declared(eventTime, eventName, eventAttrs, eventDroppedAttrs)
	linkFields   = declared(linkTraceID, linkSpanID, linkTraceState, linkAttrs, linkDroppedAttrs, linkFlags)
	statusFields = declared(statusMessage, statusCode)
	logFields    = declared(logTime, logSeverityNumber, logSeverityText, logBody, logAttrs, logDroppedAttrs,
		logFlags, logTraceID, logSpanID, logObservedTime, logEventName)
	keyValueFields = declared(keyValueKey, keyValueValue, keyValueStrindex)
	valueFields    = declared(valueString, valueBool, valueInt, valueDouble, valueArray, valueMap, valueBytes,
		valueStrindex)
	listFields = declared(listValues)
)
