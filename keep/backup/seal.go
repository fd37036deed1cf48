package backup

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// seal encrypts b with AES-256-GCM under a key that seals many things; what lies
// before it is a nonce drawn for it. beside is proved with it and not stored.
func seal(key, b, beside []byte) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(b)+aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return aead.Seal(nonce, nonce, b, beside), nil
}

// errSeal is what unseal returns for bytes that are not as they were sealed.
var errSeal = errors.New("its seal is broken")

func unseal(key, sealed, beside []byte) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, errSeal
	}
	b, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], beside)
	if err != nil {
		return nil, errSeal
	}
	return b, nil
}

// chunk is one piece of a file and where it is stored. It is all that is needed
// to read it.
type chunk struct {
	Sum    []byte `json:"sum"` // SHA-256 of the piece
	Key    []byte `json:"key"`
	Size   int    `json:"size"`   // of the piece
	Stored int    `json:"stored"` // in the target
}

// name is where a chunk lies. It tells nothing of key or content.
func (c *chunk) name() string {
	sum := sha256.Sum256(append([]byte("endcap backup chunk "), c.Key...))
	return folderChunks + "/" + hex.EncodeToString(sum[:1]) + "/" + hex.EncodeToString(sum[1:17])
}

// The first byte of a sealed piece says how the rest lies.
const (
	plain    = 0
	deflated = 1
)

// sealChunk encrypts a piece under a new key of its own, which seals nothing
// else, so that the nonce may be zero.
func sealChunk(piece []byte) (chunk, []byte, error) {
	key, err := freshKey()
	if err != nil {
		return chunk{}, nil, err
	}
	aead, err := newAEAD(key)
	if err != nil {
		return chunk{}, nil, err
	}
	packed, err := deflate([]byte{deflated}, piece)
	if err != nil {
		return chunk{}, nil, err
	}
	if len(packed) > len(piece) {
		packed = append([]byte{plain}, piece...)
	}
	c := chunk{Key: key, Size: len(piece)}
	sum := sha256.Sum256(piece)
	c.Sum = sum[:]
	sealed := aead.Seal(nil, make([]byte, aead.NonceSize()), packed, []byte(c.name())) //nolint:gosec // the key is new, and seals nothing else
	c.Stored = len(sealed)
	return c, sealed, nil
}

// openChunk gives back the piece.
func openChunk(c *chunk, sealed []byte) ([]byte, error) {
	aead, err := newAEAD(c.Key)
	if err != nil {
		return nil, err
	}
	packed, err := aead.Open(nil, make([]byte, aead.NonceSize()), sealed, []byte(c.name()))
	if err != nil || len(packed) == 0 {
		return nil, errSeal
	}
	piece := packed[1:]
	if packed[0] == deflated {
		if piece, err = inflate(piece, int64(c.Size)); err != nil {
			return nil, err
		}
	}
	if sum := sha256.Sum256(piece); !bytes.Equal(sum[:], c.Sum) {
		return nil, errors.New("its content is another")
	}
	return piece, nil
}

// deflate appends b, compressed at the fastest level, to to.
func deflate(to, b []byte) ([]byte, error) {
	buf := bytes.NewBuffer(to)
	w, err := flate.NewWriter(buf, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// inflate undoes deflate; more than most bytes are an error.
func inflate(b []byte, most int64) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(b)), most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(out)) > most {
		return nil, fmt.Errorf("it holds more than %d bytes", most)
	}
	return out, nil
}
