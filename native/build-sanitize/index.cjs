'use strict';
module.exports = require('./build/Release/xattr_native.node');
