/* Search in a site that is opened from a folder: browsers allow no Worker there, so a hidden frame runs its script.
   Without this file, Material's offline plugin would load another one from the network at each visit. */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      const inner = (this.inner = frame.contentWindow)
      inner.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
      inner.importScripts = (...urls) => Promise.all(urls.map((each) => this.load(each)))
      this.ready = this.load(url)
      this.terminate = () => frame.remove()
    }

    load(url) {
      return new Promise((resolve, reject) => {
        const script = this.inner.document.createElement("script")
        Object.assign(script, { src: url, onload: resolve, onerror: reject })
        this.inner.document.head.append(script)
      })
    }

    postMessage(data) {
      this.ready.then(() => this.inner.dispatchEvent(new MessageEvent("message", { data })))
    }
  }
  window.IFrameWorker = window.Worker
}
