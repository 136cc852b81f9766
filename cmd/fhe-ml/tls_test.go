package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// certificate writes a certificate for 127.0.0.1 and its key, and returns their names.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fhe-ml test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	privateDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: privateDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestServeTLS: a client that trusts the certificate gets answers, one that does not is told so.
func TestServeTLS(t *testing.T) {
	dir := t.TempDir()
	name := convertDemo(t, dir, "gboost")[0]
	rows := cancerRows(t, dir, 3)
	cert, key := certificate(t, dir)
	s := startServing(t, name+".fheml", "--tls-cert", cert, "--tls-key", key)
	if !strings.HasPrefix(s.address, "https://") {
		t.Fatal(s.address)
	}
	predict := func(env ...string) (string, error) {
		cmd := exec.Command("fhe-ml", "predict", "--server", s.address, "--input", rows, "-q")
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if text, err := predict(); err == nil || !strings.Contains(text, "certificate") {
		t.Errorf("a certificate that nobody vouches for: %v, %s", err, text)
	}
	if runtime.GOOS == "linux" { // where a file names the roots
		want := command(t, "predict", name+".fheml", "--input", rows, "--mode", "quantized", "-q")
		if got, err := predict("SSL_CERT_FILE=" + cert); err != nil || got != want {
			t.Errorf("%v: %s", err, firstDifference(got, want))
		}
	}
	s.stop(t)
}
