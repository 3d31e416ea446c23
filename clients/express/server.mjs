// The same application as an ES module.
import express from 'express';
import pino from 'pino';

const log = pino(pino.destination({ dest: 2, sync: true }));
const app = express();
app.get('/hello/:name', (req, res) => {
  log.info('greeting');
  res.send('hello ' + req.params.name);
});
const server = app.listen(Number(process.argv[2]), process.env.HOST || '127.0.0.1');
if (process.argv[3] === 'handler') process.on('SIGTERM', () => server.close(() => setTimeout(() => process.exit(3), 500)));
