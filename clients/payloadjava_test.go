package clients

import (
	"net"
	"os/exec"
	"testing"
)

func TestJavaPayloadTree(t *testing.T) {
	t.Parallel()
	wantTree(t, "java", 30_000_000, []string{"agent for Java 2.", "Apache License"})
}

// A server of the JDK's own: its spans arrive, and it ends as it does without us.
func TestJavaPayloadServer(t *testing.T) {
	t.Parallel()
	need(t, "javac")
	classes := t.TempDir() // the agent takes `java Server.java` for a tool of the JDK's
	if out, err := exec.CommandContext(t.Context(), "javac", "-d", classes, "javaserver/Server.java").CombinedOutput(); err != nil {
		t.Fatalf("compiling: %v\n%s", err, out)
	}
	const service = "payload-java"
	addr := freeAddr(t, "tcp")
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	env := injected(service, "JAVA_TOOL_OPTIONS= -javaagent:"+builtPayload(t, "java")+"/javaagent.jar")
	state, out := serve(t, program{[]string{"java", "-cp", classes, "Server", port}, "javaserver"}, env, "http://"+addr+"/hello", 4)
	if code := state.ExitCode(); code != 143 { // the JVM's own answer to SIGTERM
		t.Errorf("after SIGTERM: got exit code %d; want 143\n%s", code, out)
	}
	// The last one's may end after its answer has come, and after SIGTERM.
	wantSpans(t, service, "GET /hello", 3, 4)
}
