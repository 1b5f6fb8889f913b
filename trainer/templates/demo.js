"use strict";
(async () => {
  const of = id => document.getElementById(id);
  const bytesOf = id => Uint8Array.from(atob(of(id).textContent.trim()), character => character.charCodeAt(0));
  const data = JSON.parse(of("data").textContent);
  const { height, width, channels } = data.input;
  const inputLen = height * width * channels;
  const canvasOf = (width, height) => Object.assign(document.createElement("canvas"), { width, height });
  const pixelsOf = canvas => canvas.getContext("2d", { willReadFrequently: true });
  const percent = share => (100 * share).toFixed(1) + "%";

  function fail(text) {
    of("failure").textContent = text;
    of("failure").hidden = false;
  }

  // ---- The program: infer-core, and the model in it ----

  async function load() {
    const program = bytesOf("program");
    if (typeof WebAssembly !== "object" || !WebAssembly.validate(program)) {
      throw new Error("This browser has no WebAssembly with SIMD, which the model needs. Chrome 91, Firefox 89, Safari 16.4 and later have it.");
    }
    const { instance } = await WebAssembly.instantiate(program);
    const core = instance.exports;
    const write = (place, bytes) => {
      if (place === 0) throw new Error("The browser has no memory for this. Reload the page.");
      new Uint8Array(core.memory.buffer, place, bytes.length).set(bytes);
    };
    const model = bytesOf("model");
    write(core.model_place(model.length), model);
    if (core.load() !== 1) throw new Error("The model in this page is damaged. Write the page again with trainer demo.");
    return { core, write };
  }

  let core, write;
  try {
    ({ core, write } = await load());
  } catch (error) {
    return fail(error.message);
  }
  const view = (type, place, len) => new type(core.memory.buffer, place, len);
  const inputOf = () => view(Uint8Array, core.input_place(), inputLen);

  // ---- Canvases ----

  const scale = Math.max(1, Math.ceil(336 / Math.max(height, width)));
  const stage = of("stage");
  [stage.width, stage.height] = [width * scale, height * scale];
  const stagePixels = pixelsOf(stage);

  // Puts an input, or an image of its shape, onto a canvas of its size.
  function paint(canvas, bytes) {
    [canvas.width, canvas.height] = [width, height];
    const pixels = pixelsOf(canvas), image = pixels.createImageData(width, height);
    for (let pixel = 0; pixel < width * height; pixel++) {
      for (let channel = 0; channel < 3; channel++) {
        image.data[4 * pixel + channel] = bytes[channels * pixel + (channels === 3 ? channel : 0)];
      }
      image.data[4 * pixel + 3] = 255;
    }
    pixels.putImageData(image, 0, 0);
  }

  // ---- The answer ----

  // Few classes stay in their order; of many the most probable ones are shown.
  const isInOrder = data.classes.length <= 12;
  const bars = Array.from({ length: isInOrder ? data.classes.length : 10 }, () => {
    const parts = ["name", "track", "percent"].map(kind => Object.assign(document.createElement("span"), { className: kind }));
    const fill = Object.assign(document.createElement("span"), { className: "fill" });
    const item = document.createElement("li");
    parts[1].append(fill);
    item.append(...parts);
    of("bars").append(item);
    return { item, name: parts[0], percent: parts[2], fill };
  });

  function showAnswer(decision) {
    const logits = view(Int32Array, core.logits_place(), data.classes.length);
    const probabilities = view(Float32Array, core.probabilities_place(), data.classes.length);
    const best = logits.indexOf(Math.max(...logits));
    const threshold = core.threshold();
    const guess = data.classes[best] + ", " + percent(probabilities[best]);
    const isRejected = decision < 0;
    of("decision").textContent = isRejected ? "None of these" : guess;
    of("why").textContent = isRejected
      ? "The best guess is " + guess + ", but its threshold is " + percent(threshold) + "."
      : threshold > 0 ? "The threshold is " + percent(threshold) + "; below it the answer is none of these." : "";
    const order = data.classes.map((_, index) => index);
    if (!isInOrder) order.sort((a, b) => logits[b] - logits[a] || a - b);
    bars.forEach((bar, row) => {
      const index = order[row];
      bar.name.textContent = data.classes[index];
      bar.percent.textContent = percent(probabilities[index]);
      bar.fill.style.width = 100 * probabilities[index] + "%";
      bar.item.className = index === best && !isRejected ? "best" : "";
    });
  }

  // ---- Outputs of the layers ----

  const layers = data.layers.map(layer => {
    const { height, width, channels } = layer.shape;
    // One value of each channel is a map of all channels.
    const isFlat = height * width === 1;
    const map = isFlat ? { height: Math.ceil(channels / 32), width: Math.min(channels, 32), count: 1 } : { height, width, count: channels };
    const gap = map.count > 1 ? 1 : 0;
    const ratio = (map.height + gap) / (map.width + gap);
    const columns = Math.min(map.count, Math.max(1, Math.ceil(Math.sqrt(map.count * ratio))));
    const rows = Math.ceil(map.count / columns);
    const canvas = canvasOf(columns * (map.width + gap) - gap, rows * (map.height + gap) - gap);
    const maps = isFlat ? channels + " values" : channels + (channels === 1 ? " map of " : " maps of ") + height + "x" + width;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", layer.name + ": " + maps);
    const figure = document.createElement("figure");
    const title = Object.assign(document.createElement("h3"), { className: "title", textContent: layer.name });
    figure.append(title, canvas, Object.assign(document.createElement("figcaption"), { textContent: maps }));
    of("layers").append(figure);
    return { ...layer, map, gap, columns, canvas, isFlat, len: height * width * channels };
  });

  const colorOf = name => {
    const digits = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    return [1, 3, 5].map(at => parseInt(digits.slice(at, at + 2), 16));
  };

  function showLayers() {
    const codes = view(Uint8Array, core.codes_place(), layers.reduce((sum, layer) => sum + layer.len, 0));
    const [above, below] = [colorOf("--vermillion"), colorOf("--blue")];
    let start = 0;
    for (const { map, gap, columns, canvas, isFlat, len, shape, zero_point } of layers) {
      const pixels = pixelsOf(canvas), image = pixels.createImageData(canvas.width, canvas.height);
      let largest = 1;
      for (let index = start; index < start + len; index++) largest = Math.max(largest, Math.abs(codes[index] - zero_point));
      for (let index = 0; index < len; index++) {
        const value = codes[start + index] - zero_point;
        const channel = isFlat ? 0 : index % shape.channels;
        const position = isFlat ? index : Math.floor(index / shape.channels);
        const x = (channel % columns) * (map.width + gap) + position % map.width;
        const y = Math.floor(channel / columns) * (map.height + gap) + Math.floor(position / map.width);
        image.data.set(value < 0 ? below : above, 4 * (y * canvas.width + x));
        image.data[4 * (y * canvas.width + x) + 3] = 255 * Math.abs(value) / largest;
      }
      pixels.putImageData(image, 0, 0);
      start += len;
    }
  }

  // ---- Time ----

  const times = [];
  let runs = 1;

  // Browsers round their clocks, to a twentieth of a millisecond or to a whole one.
  const tick = (() => {
    const begin = performance.now();
    let now = begin;
    // A clock that stands still is not waited for.
    for (let reads = 0; now === begin && reads < 1e7; reads++) now = performance.now();
    return now - begin;
  })();

  // As many runs as take ten ticks of the clock are timed at once.
  function measure() {
    const begin = performance.now();
    core.repeat(runs);
    const took = performance.now() - begin;
    if (took < 10 * tick && runs < 1e6) {
      runs *= 2;
      return measure();
    }
    times.push(took / runs);
    if (times.length > 101) times.shift();
    const sorted = [...times].sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)];
    of("time").textContent = median < 10 ? median.toPrecision(3) + " ms" : median.toFixed(1) + " ms";
    of("time-note").textContent = "per image, median of " + times.length + "; WebAssembly with SIMD, one thread";
    return took;
  }

  let measured = 0;

  function measureNowAndThen() {
    // Ten ticks of a clock with coarse steps, as privacy settings have it, are a second in which nothing is drawn: once is enough.
    if (performance.now() - measured < 1000 || (times.length > 0 && tick > 5)) return;
    measure();
    measured = performance.now();
  }

  // ---- Images become answers ----

  // Classifies the input as it is.
  function answer() {
    const decision = core.classify();
    showAnswer(decision);
    paint(of("seen"), inputOf());
    showLayers();
    measureNowAndThen();
  }

  const resizeOf = () => of("resize") ? Number(of("resize").value) : data.resize;

  // Classifies what a canvas shows.
  function answerCanvas(canvas, resize, isInverted) {
    const { data: pixels, width, height } = pixelsOf(canvas).getImageData(0, 0, canvas.width, canvas.height);
    write(core.image_place(pixels.length), pixels);
    if (core.scale(width, height, resize, isInverted ? 1 : 0) !== 1) return note("This image cannot become an input.");
    answer();
  }

  // Shows the part of an image that becomes the input.
  function showOnStage(canvas) {
    const resize = resizeOf();
    const [across, down] = [stage.width / canvas.width, stage.height / canvas.height];
    const factor = resize === 3 ? Math.max(across, down) : Math.min(across, down);
    const [w, h] = resize === 1 ? [stage.width, stage.height] : [canvas.width * factor, canvas.height * factor];
    stagePixels.fillStyle = "rgb(" + data.background + ")";
    stagePixels.fillRect(0, 0, stage.width, stage.height);
    const place = [(stage.width - w) / 2, (stage.height - h) / 2, w, h];
    stagePixels.drawImage(canvas, ...place);
    if (!of("invert").checked) return;
    stagePixels.globalCompositeOperation = "difference";
    stagePixels.fillStyle = "#fff";
    stagePixels.fillRect(...place);
    stagePixels.globalCompositeOperation = "source-over";
  }

  // Shows and classifies once more what is on the stage, where settings change that.
  let showAgain = null;

  function showImage(canvas) {
    showAgain = () => showImage(canvas);
    showOnStage(canvas);
    answerCanvas(canvas, resizeOf(), of("invert").checked);
  }

  for (const id of ["resize", "invert"]) {
    if (of(id)) of(id).addEventListener("change", () => { if (showAgain) showAgain(); });
  }

  function note(text) {
    of("note").textContent = text;
  }

  // ---- Files ----

  // Pixels of larger images take too much memory on phones.
  const MOST_PIXELS = 1 << 24;

  async function openFile(file) {
    stopCamera();
    let bitmap;
    try {
      // Colors as they are in the file, as the trainer reads them.
      bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", imageOrientation: "from-image" });
    } catch {
      return note((file.name || "This") + " is not an image that this browser can read.");
    }
    const factor = Math.min(1, Math.sqrt(MOST_PIXELS / (bitmap.width * bitmap.height)), 16384 / Math.max(bitmap.width, bitmap.height));
    const canvas = canvasOf(Math.max(1, Math.round(bitmap.width * factor)), Math.max(1, Math.round(bitmap.height * factor)));
    const pixels = pixelsOf(canvas);
    pixels.fillStyle = "rgb(" + data.background + ")";
    pixels.fillRect(0, 0, canvas.width, canvas.height);
    pixels.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    note((file.name || "The image") + ", " + bitmap.width + "x" + bitmap.height
      + (factor < 1 ? ", reduced by the browser first: the numbers may differ a little from the chip's" : ""));
    bitmap.close();
    showImage(canvas);
  }

  of("file").addEventListener("change", event => {
    if (event.target.files[0]) openFile(event.target.files[0]);
    // The same file can be chosen again.
    event.target.value = "";
  });
  addEventListener("dragover", event => {
    event.preventDefault();
    document.body.classList.add("dragged");
  });
  addEventListener("dragleave", event => {
    if (!event.relatedTarget) document.body.classList.remove("dragged");
  });
  addEventListener("drop", event => {
    event.preventDefault();
    document.body.classList.remove("dragged");
    if (event.dataTransfer.files[0]) openFile(event.dataTransfer.files[0]);
    else note("The dropped object is not a file. Save the image first, and drop or choose the file.");
  });
  addEventListener("paste", event => {
    if (event.clipboardData.files[0]) openFile(event.clipboardData.files[0]);
  });

  // ---- The camera ----

  const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
  const frame = canvasOf(1, 1);
  let facing = "environment", answered = 0;

  const REASONS = {
    NotAllowedError: "The camera is not allowed. Allow it for this page in the settings of the browser, and start it again.",
    NotFoundError: "There is no camera.",
    NotReadableError: "Another program uses the camera. Close it, and start the camera again.",
  };

  async function startCamera() {
    if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) {
      const isFile = location.protocol === "file:" || location.protocol === "content:";
      return note((isFile
        ? "This browser does not allow the camera for a page that is opened as a file."
        : "Browsers allow the camera only for pages over HTTPS or from localhost.")
        + " Choose an image instead: phones offer to take a photo. Or serve the page's folder with python3 -m http.server, and open http://localhost:8000 on the same device.");
    }
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: facing, width: { ideal: 640 }, height: { ideal: 480 } },
      });
      await video.play();
    } catch (error) {
      stopCamera();
      return note(REASONS[error.name] || "The camera does not start: " + error.message);
    }
    note("");
    of("camera").textContent = "Stop camera";
    // An answer many times a second is nothing to read aloud.
    of("decision").setAttribute("aria-live", "off");
    const cameras = await navigator.mediaDevices.enumerateDevices();
    of("other-camera").hidden = cameras.filter(device => device.kind === "videoinput").length < 2;
    requestAnimationFrame(look);
  }

  function look(now) {
    if (!video.srcObject) return;
    requestAnimationFrame(look);
    if (video.readyState < 2 || now - answered < 60) return;
    answered = now;
    [frame.width, frame.height] = [video.videoWidth, video.videoHeight];
    pixelsOf(frame).drawImage(video, 0, 0);
    showImage(frame);
  }

  function stopCamera() {
    if (video.srcObject) video.srcObject.getTracks().forEach(track => track.stop());
    video.srcObject = null;
    of("camera").textContent = "Start camera";
    of("other-camera").hidden = true;
    of("decision").setAttribute("aria-live", "polite");
  }

  of("camera").addEventListener("click", () => video.srcObject ? stopCamera() : startCamera());
  of("other-camera").addEventListener("click", () => {
    facing = facing === "user" ? "environment" : "user";
    stopCamera();
    startCamera();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) stopCamera();
  });

  // ---- Test images ----

  const images = bytesOf("images");
  const imageOf = index => images.subarray(index * inputLen, (index + 1) * inputLen);

  function showTest(index) {
    stopCamera();
    showAgain = null;
    write(core.input_place(), imageOf(index));
    const canvas = canvasOf(width, height);
    paint(canvas, imageOf(index));
    stagePixels.imageSmoothingEnabled = false;
    stagePixels.drawImage(canvas, 0, 0, stage.width, stage.height);
    stagePixels.imageSmoothingEnabled = true;
    const { name, class: label } = data.images[index];
    note(name + (label === null ? "" : ", labeled " + data.classes[label]));
    answer();
  }

  data.images.forEach((image, index) => {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const canvas = document.createElement("canvas");
    const label = image.class === null ? image.name : data.classes[image.class];
    paint(canvas, imageOf(index));
    canvas.setAttribute("aria-hidden", "true");
    button.append(canvas, label);
    button.setAttribute("aria-label", label + ", test image " + (index + 1));
    button.addEventListener("click", () => showTest(index));
    of("tests").append(button);
  });

  // ---- Drawing ----

  function setUpDrawing() {
    // Light on dark or dark on light, as the test images have it at their edges.
    let sum = 0, edges = 0;
    for (let index = 0; index < images.length; index++) {
      const [x, y] = [index % width, Math.floor(index / width) % height];
      if (x && y && x < width - 1 && y < height - 1) continue;
      sum += images[index];
      edges++;
    }
    const isDark = data.are_made_up || sum < 128 * edges;
    const [paper, ink] = isDark ? ["#000", "#fff"] : ["#fff", "#000"];
    const drawing = canvasOf(stage.width, stage.height), lines = pixelsOf(drawing);
    let isDrawing = false, isPenDown = false, waits = false;
    let pen = [stage.width / 2, stage.height / 2];

    function show() {
      stagePixels.drawImage(drawing, 0, 0);
      if (document.activeElement !== stage || !stage.matches(":focus-visible")) return;
      stagePixels.strokeStyle = isPenDown ? "#D55E00" : "#808080";
      stagePixels.lineWidth = 3;
      stagePixels.beginPath();
      stagePixels.arc(...pen, lines.lineWidth / 2 + 3, 0, 7);
      stagePixels.stroke();
    }

    function begin() {
      stopCamera();
      if (showAgain !== update) clear();
      Object.assign(lines, { lineWidth: of("pen").value * stage.width / 100, lineCap: "round", lineJoin: "round", strokeStyle: ink });
    }

    function clear() {
      lines.fillStyle = paper;
      lines.fillRect(0, 0, drawing.width, drawing.height);
      showAgain = update;
      note("");
    }

    function lineTo(point) {
      lines.beginPath();
      lines.moveTo(...pen);
      lines.lineTo(...point);
      lines.stroke();
      pen = point;
      update();
    }

    // At most once a frame of the screen.
    function update() {
      show();
      if (waits) return;
      waits = true;
      requestAnimationFrame(() => {
        waits = false;
        // Its sides are in the ratio of the input's.
        if (showAgain === update) answerCanvas(drawing, 1, false);
      });
    }

    const pointOf = event => {
      const box = stage.getBoundingClientRect();
      const at = (place, size, pixels) => place * pixels / size;
      return [at(event.clientX - box.left, box.width, stage.width), at(event.clientY - box.top, box.height, stage.height)];
    };
    stage.addEventListener("pointerdown", event => {
      if (event.button !== 0) return;
      event.preventDefault();
      stage.setPointerCapture(event.pointerId);
      begin();
      isDrawing = true;
      pen = pointOf(event);
      lineTo(pen);
    });
    stage.addEventListener("pointermove", event => {
      if (isDrawing) lineTo(pointOf(event));
    });
    for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => { isDrawing = false; });

    const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    stage.addEventListener("keydown", event => {
      const move = MOVES[event.key];
      if (!move && event.key !== " " && event.key !== "Delete") return;
      event.preventDefault();
      begin();
      if (event.key === "Delete") clear();
      if (event.key === " ") isPenDown = !isPenDown;
      const step = stage.width / 28;
      const limits = [stage.width, stage.height];
      const point = move ? pen.map((place, axis) => Math.min(limits[axis], Math.max(0, place + step * move[axis]))) : pen;
      if (isPenDown) lineTo(point);
      else pen = point;
      update();
    });
    for (const change of ["focus", "blur"]) {
      stage.addEventListener(change, () => {
        isPenDown = false;
        if (showAgain === update) show();
      });
    }
    of("clear").addEventListener("click", () => {
      stopCamera();
      clear();
      update();
    });
  }

  if (of("clear")) setUpDrawing();

  // ---- At the beginning ----

  write(core.image_place(images.length), images);
  const checksum = core.checksum(images.length);
  const shownChecksum = checksum => "0x" + (checksum >>> 0).toString(16).padStart(8, "0");
  of("checksum").textContent = shownChecksum(checksum);
  if (checksum >>> 0 === data.checksum) {
    of("equal").textContent = "equal to the host's: CRC-32 of the logits of " + data.images_about;
  } else {
    fail("The numbers here differ from those of the host: the checksum of the logits is " + shownChecksum(checksum) + ", and the host's is "
      + shownChecksum(data.checksum) + ". Please report this, with the name and the version of the browser.");
  }
  showTest(0);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showLayers);
  // The browser compiles the program better while it runs, so that the first times count for nothing.
  for (let round = 0, spent = 0; round < 30 && spent < 2000; round++) {
    await new Promise(resolve => setTimeout(resolve, 20));
    if (round === 15) times.length = 0;
    spent += measure();
  }
  document.documentElement.dataset.ready = "yes";
})();
