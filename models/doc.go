// Package models is what a program uses of fhe-ml: trained models, their encrypted form, and the two ends that use it.
//
// # The owner of a model
//
// A [Model] is what an importer reads from a file (package importers opens files and streams): a [Linear] model, an [Additive] one (naive Bayes,
// binned and spline models), a [TreeEnsemble] or a [Network], each with the numbers of the file and an [Info] that says what the scores mean.
// [Predict] answers one row in floating point, as the tool that trained the model would.
//
// Where Info.Pipeline is set, the client makes the features of a row's columns itself, in the clear, before anything is
// encrypted: it encodes categories, fills missing values, normalises rows. [Predict], [Compile] and all that reads rows of
// data take rows of columns; Raw and Quantize of a [Model] take features.
//
// [Compile] makes a [Compiled] of it: the model over integers, a [Quantized], and the program that computes it on ciphertexts. [CompileOptions] chooses
// the width of codes, the failure probability, and what is to be cheap. [Compiled.Summary] says before anything slow what it will cost: operations, bytes of
// keys, requests and responses, time, security and failure probability.
// Both forms are files: [Compiled.WriteTo] writes NAME.fheml, which holds the weights and stays with the owner or its server, and [ClientFile.WriteTo]
// writes NAME.client.fheml, which goes to clients. [ClientFile] lists in Reveals what it does tell about the model.
//
// Trees lose nothing when they are quantized: a feature becomes its rank among the model's own thresholds, so every comparison comes out as in
// floating point, and leaves keep enough bits that labels agree. So do additive models of steps. Linear models, networks and
// the curves of additive models need rows of calibration data for the range of their features ([ErrCalibration]).
//
// # The client
//
// [GenerateKeys] draws a secret key, which never leaves the client, and the evaluation key that belongs to it, which goes to the server. A [Client]
// encrypts rows and decrypts predictions: one at a time with [Client.Encrypt] and [Client.Decrypt], or many as a stream with [Client.EncryptRows] and
// [Client.DecryptRows]. Values outside the calibrated range are used as the nearest one inside, and come back as warnings that name the column: [quantize.Clip].
//
// # The server
//
// [Compiled.NewServer] gives a server of package compiler/server, which loads an evaluation key and turns requests into responses: one with Run, or a
// stream with RunBatch, on all cores, in bounded memory, until its context ends. No type or function of that package mentions a secret key. Package
// compiler/server/service offers it over HTTP, package compiler/client/remote calls that.
//
// What comes back is equal to [Quantized.Predict], bit for bit: at the default failure probability of 2^-128 an answer that differs is a defect.
//
// # Concurrency
//
// Compiled, ClientFile, Client and the server are safe for concurrent use. A [Predictor] is not.
//
// # Errors
//
// Errors carry what they are about, for errors.As and errors.Is: a [quantize.ColumnError] the column and row of a bad value, onnx.UnsupportedError the node of a model
// that cannot be imported, a [tfhe.FileError] the kind of file that is damaged, cut short, of another key, model or request (tfhe.ErrDamaged,
// tfhe.ErrTruncated, tfhe.ErrKey, tfhe.ErrModel, tfhe.ErrRequest), server.RowError the row of a batch. A file that does not belong is always an error and never a wrong number.
//
// # Files
//
// Every later version of fhe-ml reads the files of the versions before it: models, client files, keys, requests and responses. A test keeps files of every format version
// and reads them. The other way round, a file of a later format is refused (tfhe.ErrVersion), and so is one with anything in it that the reader does not know.
package models
