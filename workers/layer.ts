import { runTask } from '../src/layer/run-task.js';

export default runTask;
