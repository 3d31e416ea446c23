package server

// jaegerRoutes is the part of the table that speaks Jaeger's HTTP APIs.
func (s *Server) jaegerRoutes() []route { return nil }
